import { element, freshId } from "../dom.js";

// The same rows stand in docs/playground.md, which a test holds them to.
const KEYS = [
  ["Tab, Shift+Tab", "go from control to control; each grid is one stop"],
  ["arrows", "walk over the cells of a grid; step, where nothing has the focus"],
  ["Page Up, Page Down", "go to the next channel of a grid"],
  ["Home, End", "go to the ends of a row; to the first and the last step, where nothing has the focus"],
  ["Enter", "hold the cell; Escape lets go"],
  ["a digit, F2", "give the cell a value"],
  ["Space", "play and pause, where nothing has the focus"],
  ["up, down in a number", "one more, one less"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["?", "show these keys"],
];

/**
 * Every key that the page knows, in a dialog behind a button and behind `?`.
 * @param {HTMLElement} bar where the button stands
 * @returns {Part}
 */
export function makeKeys(bar) {
  const title = freshId("keys");
  const rows = KEYS.map(([keys, words]) => element("tr", {}, element("th", { scope: "row" }, keys), element("td", {}, words)));
  const close = element("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = element(
    "dialog", { class: "keys", "aria-labelledby": title }, element("h2", { id: title }, "Keys"), element("table", {}, element("tbody", {}, ...rows)), close,
  );
  // What lies around the dialog belongs to it as well.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  bar.append(element("button", { type: "button", "aria-haspopup": "dialog", title: "Every key (?)", onclick: () => dialog.showModal() }, "Keys"), dialog);

  const listen = (/** @type {KeyboardEvent} */ event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || dialog.open || target?.closest("input:not([type=checkbox], [type=range]), textarea")) return;
    event.preventDefault();
    dialog.showModal();
  };
  document.addEventListener("keydown", listen);
  return { destroy: () => document.removeEventListener("keydown", listen) };
}
