/**
 * The input or the output: a tile for every channel and slice, a cell for every place, border included.
 */
import { LampBoard } from "./lighting.js";
import { CellNames } from "./names.js";
import { CellPlane } from "./plane.js";
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
    this.names = new CellNames(this.board.cells, (key) => this.words(key));
    this.shape = "";
    /** Of two readings beside each other which one this is of; "" where there is one. */
    this.reading = "";
    /** What must stay the same for the planes to stay. */
    this.sheets = "";
    /** @type {CellPlane[]} one for each channel and slice */
    this.planes = [];
    /** @type {WeakMap<HTMLElement, string>} What a cell shows, and how. */
    this.marks = new WeakMap();
    /** @type {GridColumns | null} */
    this.grid = null;
    /** @type {ArrayLike<CellValue | undefined> | null} What stands in the cells. */
    this.shown = null;
    /** Pixels; 0: nobody has said yet. */
    this.cell = 0;
    /** Own cells of a channel. */
    this.cells = 1;
    this.room = roomOf(46);
    this.longest = 1;
    /** Whether cells are coloured by their values: because somebody wants it, because letters would be too small. */
    this.isShaded = false;
    this.isTiny = false;
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
   * Make the cells. Those that stay where they are are kept: what is new alone is laid out and drawn.
   * @param {GridColumns} grid
   * @param {string[]} roles
   */
  build(grid, roles) {
    const { planes } = planesOf(shownSize(grid));
    const hasGroups = new Set(grid.groups).size > 1;
    const focused = focusedCell(this.element);
    this.board.show(new Map());
    this.board.clear();
    this.names.clear();
    this.shown = null;
    const sheets = JSON.stringify([this.reading, grid.channels, planes, grid.first.slice(0, -2), grid.groups, roles]);
    if (sheets !== this.sheets || this.element.querySelector(".views-editor")) {
      this.sheets = sheets;
      this.planes = [];
      for (let channel = 0; channel < grid.channels; channel++) {
        for (let plane = 0; plane < planes; plane++) {
          const words = [];
          if (grid.channels > 1) words.push(`channel ${channel}`);
          if (hasGroups) words.push(`group ${grid.groups[channel]}`);
          if (planes > 1) words.push(`slice ${grid.first[0] + plane}`);
          this.planes.push(new CellPlane([this.name, this.reading, ...words].filter(Boolean).join(", "), roles[channel]));
          const brief = hasGroups ? words.join(" · ").replace("channel", "ch").replace("group ", "g") : words.join(" · ");
          if (words.length) this.planes.at(-1)?.tile.prepend(nodeOf("div", { class: "views-caption", title: words.join(", ") }, brief));
        }
      }
      this.tiles.replaceChildren(...this.planes.map(({ tile }) => tile));
    }
    const ends = [-2, -1].map((axis) => [grid.first.at(axis) ?? 0, (grid.last.at(axis) ?? 0) + 1]);
    let key = 0;
    for (const plane of this.planes) {
      for (const cell of plane.resize(ends)) {
        const place = key % placesOf(grid);
        const origin = grid.origins[place];
        cell.classList.toggle("views-unused", !grid.used[place]);
        if (cell.dataset.key !== String(key)) cell.dataset.key = String(key);
        if (origin === this.name) cell.removeAttribute("data-origin");
        else cell.setAttribute("data-origin", origin);
        if (cell.tabIndex === 0) cell.tabIndex = -1;
        this.names.renew(key);
        this.board.cells.set(key++, cell);
      }
    }
    const channels = grid.channels > 1 ? `${grid.channels} channels · ` : "";
    sayIn(this.size, `${channels}${grid.size.join(" × ")}`);
    this.explain(grid);
    const first = this.board.cells.get(0);
    const stop = focused?.isConnected ? focused : first;
    if (stop) stop.tabIndex = 0;
    // Whoever walks through the cells is not thrown out by another stride.
    if (focused) stop?.focus();
  }

  /**
   * Say what the border holds.
   * @param {GridColumns} grid
   */
  explain(grid) {
    const origins = [...new Set(grid.origins)].filter((origin) => ORIGIN_WORDS[origin]);
    this.legend.replaceChildren(
      ...origins.map((origin) => {
        const swatch = nodeOf("span", { class: "views-cell views-swatch", "data-origin": origin, "aria-hidden": "true" }, ORIGIN_WORDS[origin].sign);
        return nodeOf("li", {}, swatch, ORIGIN_WORDS[origin].words);
      }),
    );
    if (grid.used.includes(0)) {
      const unused = this.name === "output" ? "no stamp reaches it" : "no window reads it";
      this.legend.append(nodeOf("li", {}, nodeOf("span", { class: "views-cell views-swatch views-unused", "aria-hidden": "true" }), unused));
    }
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
    this.cells = grid.size.reduce((count, extent) => count * extent, 1);
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
    const isColoured = this.isShaded || this.isTiny;
    for (const [key, cell] of this.board.cells) {
      const channel = Math.floor(key / places);
      const place = key % places;
      const origin = grid.origins[place];
      const value = this.valueAt(channel, place);
      const text = value === undefined ? "?" : origin === "cropped" ? "✕" : fullNumber(value);
      const mark = isColoured ? `${text} ${most}` : text;
      if (this.marks.get(cell) === mark) continue;
      this.marks.set(cell, mark);
      const short = value === undefined ? "" : origin === "cropped" ? "✕" : fittingNumber(value, this.room);
      if (cell.firstChild instanceof Text) cell.firstChild.data = short;
      else cell.prepend(short);
      cell.toggleAttribute("data-blank", value === undefined);
      this.names.renew(key);
      // A style of its own makes a cell dear: none has one that is not seen.
      if (!isColoured) continue;
      const shade = most ? shadeNumber(value) / most : 0;
      cell.style.setProperty("--shade", `${Math.round(Math.abs(shade) * 100)}%`);
      cell.toggleAttribute("data-negative", shade < 0);
      cell.toggleAttribute("data-bright", shade > BRIGHT);
    }
  }

  /**
   * What stands in a cell; null: nothing, undefined: nothing yet.
   * @param {number} channel
   * @param {number} place
   * @returns {CellValue | undefined}
   */
  valueAt(channel, place) {
    const grid = /** @type {GridColumns} */ (this.grid);
    const source = grid.sources[place];
    if (source >= 0) return this.shown?.[channel * this.cells + source];
    return grid.origins[place] === "zero" || grid.origins[place] === "inserted" ? 0 : null;
  }

  /**
   * A cell in words.
   * @param {number} key
   */
  words(key) {
    const { grid } = this;
    if (!grid) return "";
    const [channel, place] = [Math.floor(key / placesOf(grid)), key % placesOf(grid)];
    const value = this.valueAt(channel, place);
    const names = axisNames(grid.size.length);
    const where = positionAt(grid, place).slice(-3).map((entry, axis) => `${names[axis]} ${fullNumber(entry)}`);
    const origin = ORIGIN_WORDS[grid.origins[place]];
    const said = [...(grid.channels > 1 ? [`channel ${channel}`] : []), ...where].join(", ");
    const what = origin ? `, ${origin.words}` : "";
    return `${said}: ${value === undefined ? "not computed yet" : fullNumber(value) || "nothing"}${what}`;
  }

  /** @param {number} cell pixels */
  resize(cell) {
    if (cell === this.cell) return;
    this.cell = cell;
    this.element.style.setProperty("--cell", `${cell}px`);
    if (roomOf(cell) !== this.room) {
      this.room = roomOf(cell);
      this.marks = new WeakMap();
    }
    this.setLetters();
    this.showAgain();
  }

  /** @param {boolean} isShaded */
  shade(isShaded) {
    if (isShaded === this.isShaded) return;
    this.isShaded = isShaded;
    this.showAgain();
  }

  /** The same numbers, otherwise. */
  showAgain() {
    const values = this.shown ?? [];
    this.shown = null;
    this.show(values);
  }

  /** Letters as large as the longest number allows. */
  setLetters() {
    const letters = letterSize(this.cell, this.longest);
    this.isTiny = letters === 0;
    this.element.style.setProperty("--letters", `${letters}px`);
    this.element.toggleAttribute("data-shaded", this.isTiny);
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
    this.planes.forEach(({ frame }, number) => {
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
 * The cell that has the focus; null where none of this element has it.
 * @param {HTMLElement} element
 */
function focusedCell(element) {
  const active = /** @type {Document | ShadowRoot} */ (element.getRootNode()).activeElement;
  return active instanceof HTMLElement && active.dataset?.key && element.contains(active) ? active : null;
}

/**
 * A switch that says whether it is on.
 * @param {string} label
 * @param {string} title
 */
export function switchOf(label, title) {
  return buttonOf({ class: "views-switch", "aria-pressed": "false", title }, label);
}
