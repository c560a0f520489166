/**
 * The input or the output: a tile for every channel and slice, a cell for every place, border included.
 */
import { LampBoard } from "./lighting.js";
import { buttonOf, nodeOf, sayIn } from "./nodes.js";
import { fittingNumber, fullNumber, shadeNumber } from "./numbers.js";
import { axisNames, letterSize, planesOf, positionAt, roomOf } from "./planes.js";
import { placesOf, shownSize } from "./scene.js";

/** @typedef {import("./scene.js").GridColumns} GridColumns */
/** @typedef {import("./numbers.js").CellValue} CellValue */

/** What a place in the border holds, in words and as a sign; the cells themselves have neither. */
export const ORIGIN_WORDS = /** @type {Record<string, {sign: string, words: string}>} */ ({
  zero: { sign: "", words: "padding: a zero" },
  inserted: { sign: "", words: "a zero inserted between two inputs" },
  cropped: { sign: "✕", words: "cropped: cut off the output" },
  wrapped: { sign: "↻", words: "padding: wrapped round from the other side" },
  mirrored: { sign: "⇋", words: "padding: mirrored" },
  repeated: { sign: "=", words: "padding: the border repeated" },
});

/** From which share of the largest value on letters on a picture are dark. */
const BRIGHT = 0.52;

/** The cells of the input or of the output. */
export class GridView {
  /** @param {"input" | "output"} name */
  constructor(name) {
    this.name = name;
    this.board = new LampBoard();
    this.shape = "";
    /** Of two readings beside each other which one this is of; "" where there is one. */
    this.reading = "";
    /** @type {string[]} */
    this.texts = [];
    /** @type {HTMLElement[]} frames around the window, one a tile */
    this.frames = [];
    /** @type {GridColumns | null} */
    this.grid = null;
    /** @type {ArrayLike<CellValue | undefined> | null} What stands in the cells. */
    this.shown = null;
    this.cell = 46;
    this.room = roomOf(46);
    this.longest = 1;
    this.size = nodeOf("span", { class: "views-size" });
    this.tools = nodeOf("div", { class: "views-tools" });
    this.tiles = nodeOf("div", { class: "views-tiles" });
    this.legend = nodeOf("ul", { class: "views-legend", "aria-label": `Border of the ${name}` });
    const title = name === "input" ? "Input" : "Output";
    this.scroll = nodeOf("div", { class: "views-scroll" }, this.tiles);
    /** Whether it holds more than it shows. */
    this.isScrolling = false;
    this.element = nodeOf(
      "section",
      { class: `views-panel views-${name}`, "aria-label": title },
      nodeOf("header", { class: "views-head" }, nodeOf("h3", {}, title), this.size, this.tools),
      this.scroll,
      this.legend,
    );
  }

  /** @param {string} reading which one this is of, where two stand beside each other */
  setReading(reading) {
    this.reading = reading;
    this.element.setAttribute("aria-label", [this.name === "input" ? "Input" : "Output", reading].filter(Boolean).join(", "));
  }

  /**
   * Show a grid; cells stay where they are if only values changed.
   * @param {GridColumns} grid
   * @param {string[]} roles of the channels
   * @param {ArrayLike<CellValue>} values channel after channel, own cells
   */
  update(grid, roles, values) {
    const shape = JSON.stringify([grid.first, grid.last, grid.size, grid.origins, grid.sources, grid.groups, grid.used, roles, this.reading]);
    this.grid = grid;
    if (shape !== this.shape) {
      this.shape = shape;
      this.build(grid, roles);
    }
    this.show(values);
  }

  /**
   * @param {GridColumns} grid
   * @param {string[]} roles
   */
  build(grid, roles) {
    const places = placesOf(grid);
    const size = shownSize(grid);
    const { planes, rows, columns } = planesOf(size);
    const names = axisNames(size.length);
    const hasGroups = new Set(grid.groups).size > 1;
    const focused = focusedKey(this.element);
    this.board.clear();
    this.frames = [];
    this.texts = [];
    this.shown = null;
    const made = [];
    for (let channel = 0; channel < grid.channels; channel++) {
      for (let plane = 0; plane < planes; plane++) {
        const words = [];
        if (grid.channels > 1) words.push(`channel ${channel}`);
        if (hasGroups) words.push(`group ${grid.groups[channel]}`);
        if (planes > 1) words.push(`slice ${grid.first[0] + plane}`);
        const frame = nodeOf("div", { class: "views-frame", hidden: true });
        this.frames.push(frame);
        const label = [this.name, this.reading, ...words].filter(Boolean).join(", ");
        const table = nodeOf("div", { class: "views-grid", role: "grid", "aria-label": label });
        table.style.setProperty("--columns", String(columns));
        for (let row = 0; row < rows; row++) {
          const line = nodeOf("div", { class: "views-row", role: "row" });
          for (let column = 0; column < columns; column++) {
            const place = (plane * rows + row) * columns + column;
            const cell = document.createElement("div");
            const origin = grid.origins[place];
            cell.className = grid.used[place] ? "views-cell" : "views-cell views-unused";
            cell.setAttribute("role", "gridcell");
            cell.tabIndex = -1;
            const key = channel * places + place;
            cell.dataset.key = String(key);
            if (origin !== this.name) cell.dataset.origin = origin;
            this.board.cells.set(key, cell);
            line.append(cell);
          }
          table.append(line);
        }
        const tile = nodeOf("div", { class: `views-tile views-role-${roles[channel]}` }, nodeOf("div", { class: "views-sheet" }, table, frame));
        const brief = hasGroups ? words.join(" · ").replace("channel", "ch").replace("group ", "g") : words.join(" · ");
        if (words.length) tile.prepend(nodeOf("div", { class: "views-caption", title: words.join(", ") }, brief));
        made.push(tile);
      }
    }
    this.tiles.replaceChildren(...made);
    this.names = names;
    const channels = grid.channels > 1 ? `${grid.channels} channels · ` : "";
    sayIn(this.size, `${channels}${grid.size.join(" × ")}`);
    const origins = [...new Set(grid.origins)].filter((origin) => ORIGIN_WORDS[origin]);
    this.legend.replaceChildren(
      ...origins.map((origin) => {
        const swatch = nodeOf("span", { class: "views-cell views-swatch", "data-origin": origin, "aria-hidden": "true" }, ORIGIN_WORDS[origin].sign);
        return nodeOf("li", {}, swatch, ORIGIN_WORDS[origin].words);
      }),
    );
    if (grid.used.includes(0)) {
      this.legend.append(nodeOf("li", {}, nodeOf("span", { class: "views-cell views-swatch views-unused", "aria-hidden": "true" }), "no window reads it"));
    }
    const first = this.board.cells.get(0);
    if (first) first.tabIndex = 0;
    // Whoever walks through the cells is not thrown out by another stride.
    if (focused !== null) (this.board.cells.get(focused) ?? first)?.focus();
  }

  /**
   * Put numbers into the cells.
   * @param {ArrayLike<CellValue | undefined>} values undefined: not computed yet
   */
  show(values) {
    const { grid } = this;
    if (!grid || values === this.shown) return;
    this.shown = values;
    const places = placesOf(grid);
    const cells = grid.size.reduce((count, extent) => count * extent, 1);
    let most = 0;
    let longest = 1;
    for (let number = 0; number < values.length; number++) {
      most = Math.max(most, Math.abs(shadeNumber(values[number])));
      longest = Math.max(longest, fittingNumber(values[number], this.room).length);
    }
    if (longest !== this.longest) {
      this.longest = longest;
      this.setLetters();
    }
    for (const [key, cell] of this.board.cells) {
      const channel = Math.floor(key / places);
      const place = key % places;
      const source = grid.sources[place];
      const origin = grid.origins[place];
      const value = source >= 0 ? values[channel * cells + source] : origin === "zero" || origin === "inserted" ? 0 : null;
      const text = value === undefined ? "?" : origin === "cropped" ? "✕" : fullNumber(value);
      const mark = `${text} ${most}`;
      if (this.texts[key] === mark) continue;
      this.texts[key] = mark;
      const short = value === undefined ? "" : origin === "cropped" ? "✕" : fittingNumber(value, this.room);
      if (cell.firstChild instanceof Text) cell.firstChild.data = short;
      else cell.prepend(short);
      cell.toggleAttribute("data-blank", value === undefined);
      const shade = most ? shadeNumber(value) / most : 0;
      cell.style.setProperty("--shade", `${Math.round(Math.abs(shade) * 100)}%`);
      cell.toggleAttribute("data-negative", shade < 0);
      cell.toggleAttribute("data-bright", shade > BRIGHT);
      cell.setAttribute("aria-label", this.words(channel, place, value));
      if (cell.title) cell.title = cell.getAttribute("aria-label") ?? "";
    }
  }

  /**
   * A cell in words.
   * @param {number} channel
   * @param {number} place
   * @param {CellValue | undefined} value
   */
  words(channel, place, value) {
    const { grid } = this;
    if (!grid) return "";
    const names = axisNames(grid.size.length);
    const where = positionAt(grid, place).slice(-3).map((entry, axis) => `${names[axis]} ${fullNumber(entry)}`);
    const origin = ORIGIN_WORDS[grid.origins[place]];
    const said = [...(grid.channels > 1 ? [`channel ${channel}`] : []), ...where].join(", ");
    const what = origin ? `, ${origin.words}` : "";
    return `${said}: ${value === undefined ? "not computed yet" : fullNumber(value) || "nothing"}${what}`;
  }

  /** @param {number} cell pixels */
  resize(cell) {
    this.cell = cell;
    this.element.style.setProperty("--cell", `${cell}px`);
    const room = roomOf(cell);
    if (room !== this.room) {
      this.room = room;
      this.texts = [];
      const values = this.shown ?? [];
      this.shown = null;
      this.show(values);
    }
    this.setLetters();
  }

  /** Letters as large as the longest number allows. */
  setLetters() {
    const letters = letterSize(this.cell, this.longest);
    this.element.style.setProperty("--letters", `${letters}px`);
    this.element.toggleAttribute("data-shaded", letters === 0);
  }

  /**
   * @param {Map<number, Set<import("./lighting.js").Light>>} lights
   * @param {{channels: Set<number>, places: number[]} | null} window
   */
  light(lights, window) {
    this.board.show(lights);
    const { grid } = this;
    if (!grid) return;
    const { planes, rows, columns } = planesOf(shownSize(grid));
    this.frames.forEach((frame, number) => {
      const channel = Math.floor(number / planes);
      let [top, left, bottom, right] = [Infinity, Infinity, -1, -1];
      if (window?.channels.has(channel)) {
        for (const place of window.places) {
          if (Math.floor(place / (rows * columns)) !== number % planes) continue;
          const [row, column] = [Math.floor(place / columns) % rows, place % columns];
          [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
          [left, right] = [Math.min(left, column), Math.max(right, column)];
        }
      }
      frame.hidden = bottom < 0;
      if (bottom < 0) return;
      frame.style.setProperty("--top", String(top));
      frame.style.setProperty("--left", String(left));
      frame.style.setProperty("--rows", String(bottom - top + 1));
      frame.style.setProperty("--columns", String(right - left + 1));
    });
  }
}

/**
 * The key of the cell that has the focus; null where none of this element has it.
 * @param {HTMLElement} element
 */
function focusedKey(element) {
  const active = /** @type {Document | ShadowRoot} */ (element.getRootNode()).activeElement;
  return active instanceof HTMLElement && active.dataset?.key && element.contains(active) ? Number(active.dataset.key) : null;
}

/**
 * A switch that says whether it is on.
 * @param {string} label
 * @param {string} title
 */
export function switchOf(label, title) {
  return buttonOf({ class: "views-switch", "aria-pressed": "false", title }, label);
}
