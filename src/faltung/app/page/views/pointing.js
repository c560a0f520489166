/**
 * Pointer, touch and keyboard on cells: hover, pin, walk, type. One place in a panel takes Tab.
 */

import { isSameItem } from "../selection.js";

/** @typedef {import("../selection.js").Item} Item */
/** @typedef {import("../selection.js").Selection} Selection */
/**
 * @typedef {object} CellBoard cells of one panel
 * @property {HTMLElement} element that holds them
 * @property {Map<number, HTMLElement>} cells
 * @property {import("./names.js").CellNames} names
 * @property {(key: number) => Item} itemOf
 * @property {(key: number, text: string | null) => boolean} edit opens an editor: with the text typed, or with what stands there
 */

/**
 * Listen to the cells of a panel.
 * @param {CellBoard} board
 * @param {Selection} selection
 */
export function listenToCells(board, selection) {
  const { element } = board;
  /** @type {string} */
  let touched = "";

  /** @param {EventTarget | null} target */
  const keyOf = (target) => {
    const cell = target instanceof Element ? target.closest("[data-key]") : null;
    return cell instanceof HTMLElement && board.cells.get(Number(cell.dataset.key)) === cell ? Number(cell.dataset.key) : -1;
  };

  element.addEventListener("pointerover", (event) => {
    const key = keyOf(event.target);
    const cell = board.cells.get(key);
    if (cell) cell.title = board.names.give(key);
    if (event.pointerType !== "touch") selection.hover(key < 0 ? null : board.itemOf(key));
  });
  element.addEventListener("pointerleave", () => selection.hover(null));
  element.addEventListener("pointerdown", (event) => (touched = event.pointerType));
  element.addEventListener("click", (event) => {
    const key = keyOf(event.target);
    if (key < 0 || event.target instanceof HTMLInputElement || element.hasAttribute("data-painting")) return;
    makeStop(board.cells, key);
    // A second click of a double click opens the editor and leaves the pin.
    if (event.detail > 1 && touched !== "touch") return;
    selection.pin(board.itemOf(key));
  });
  element.addEventListener("dblclick", (event) => {
    const key = keyOf(event.target);
    if (key >= 0 && board.edit(key, null)) event.preventDefault();
  });
  element.addEventListener("focusin", (event) => {
    const key = keyOf(event.target);
    if (key < 0 || event.target instanceof HTMLInputElement) return;
    const cell = board.cells.get(key);
    board.names.give(key);
    if (cell?.matches(":focus-visible")) selection.focus(board.itemOf(key));
  });
  element.addEventListener("focusout", (event) => {
    if (!(event.relatedTarget instanceof Node) || !element.contains(event.relatedTarget)) selection.focus(null);
  });
  element.addEventListener("keydown", (event) => {
    const key = keyOf(event.target);
    if (key < 0 || event.defaultPrevented || event.target instanceof HTMLInputElement || event.altKey || event.metaKey) return;
    const item = board.itemOf(key);
    if (event.key === "Enter" && !event.ctrlKey) {
      if (!isSameItem(selection.pinned, item) || !board.edit(key, null)) selection.pin(item);
    } else if (event.key === "F2") board.edit(key, null);
    else if (/^[-−+.,0-9]$/.test(event.key) && !event.ctrlKey) {
      if (!board.edit(key, event.key)) return;
    } else {
      const next = walk(event, board, key);
      if (next === null) return;
      // A pin that somebody walks away from comes along.
      if (isSameItem(selection.pinned, item)) selection.pinned = board.itemOf(next);
      board.cells.get(next)?.focus();
    }
    event.preventDefault();
  });
}

/**
 * Let Tab come to one cell only.
 * @param {Map<number, HTMLElement>} cells
 * @param {number} key
 */
export function makeStop(cells, key) {
  for (const cell of cells.values()) if (cell.tabIndex === 0) cell.tabIndex = -1;
  const stop = cells.get(key);
  if (stop) stop.tabIndex = 0;
}

/**
 * Go from cell to cell with arrows, along a row with Home and End, from grid to grid with Page Up and Page Down.
 * @param {KeyboardEvent} event
 * @param {CellBoard} board
 * @param {number} key
 * @returns {number | null} the key that it comes to, the same at an end; null: another key was pressed
 */
function walk(event, board, key) {
  const cell = board.cells.get(key);
  const row = cell?.parentElement;
  const table = row?.parentElement;
  if (!cell || !row || !table) return null;
  const tables = [...board.element.querySelectorAll('[role="grid"]')];
  const [rows, columns] = [table.children, row.children];
  const place = [tables.indexOf(table), [...rows].indexOf(row), [...columns].indexOf(cell)];
  const last = (/** @type {Element | undefined} */ grid) => (grid ? grid.children.length - 1 : 0);
  switch (event.key) {
    case "ArrowLeft":
      if (--place[2] < 0) [place[0], place[2]] = [place[0] - 1, Infinity];
      break;
    case "ArrowRight":
      if (++place[2] >= columns.length) [place[0], place[2]] = [place[0] + 1, 0];
      break;
    case "ArrowUp":
      if (--place[1] < 0) [place[0], place[1]] = [place[0] - 1, last(tables[place[0] - 1])];
      break;
    case "ArrowDown":
      if (++place[1] >= rows.length) [place[0], place[1]] = [place[0] + 1, 0];
      break;
    case "Home":
      [place[1], place[2]] = [event.ctrlKey ? 0 : place[1], 0];
      break;
    case "End":
      [place[1], place[2]] = [event.ctrlKey ? Infinity : place[1], Infinity];
      break;
    case "PageUp":
      place[0] = Math.max(place[0] - 1, 0);
      break;
    case "PageDown":
      place[0] = Math.min(place[0] + 1, tables.length - 1);
      break;
    default:
      return null;
  }
  const grid = tables[place[0]];
  if (!grid) return key;
  const line = grid.children[Math.min(place[1], grid.children.length - 1)];
  const next = line.children[Math.min(place[2], line.children.length - 1)];
  if (!(next instanceof HTMLElement) || !next.dataset.key) return key;
  makeStop(board.cells, Number(next.dataset.key));
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
  return Number(next.dataset.key);
}
