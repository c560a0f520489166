/**
 * The window laid out: what lies under it, the kernel, and their products, channel by channel.
 */
import { itemValue } from "./naming.js";
import { nodeOf, sayIn } from "./nodes.js";
import { factorNumber, fittingNumber, fullNumber, mediumNumber, shortNumber } from "./numbers.js";
import { letterSize, planesOf, roomOf } from "./planes.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("../selection.js").Selection} Selection */
/** @typedef {import("../selection.js").Item} Item */
/** @typedef {import("./lighting.js").Lit} Lit */
/** @typedef {{key: string, products: number[]}} WorkRow products by slot; -1: none */

const MOST_ROWS = 64;

/** The three little grids of every channel. */
export class WorkingView {
  /** @param {Selection} selection */
  constructor(selection) {
    this.selection = selection;
    this.rows = nodeOf("div", { class: "views-works" });
    this.note = nodeOf("p", { class: "views-note" });
    this.element = nodeOf("div", { class: "views-working" }, this.note, this.rows);
    this.width = 600;
    this.shape = "";
    this.cell = 38;
    /** Whether numbers are long, so that cells are larger. */
    this.isRoomy = false;
    /** @type {{row: HTMLElement, label: HTMLElement, total: HTMLElement, cells: HTMLElement[][]}[]} */
    this.made = [];
    this.rows.addEventListener("pointerover", (event) => {
      const cell = event.target instanceof Element ? event.target.closest("[data-product]") : null;
      if (cell instanceof HTMLElement) selection.point(Number(cell.dataset.product));
    });
    this.rows.addEventListener("pointerleave", () => selection.point(-1));
  }

  /**
   * @param {StageIndex} index
   * @param {Lit} lit
   * @param {{input: string[], output: string[]}} roles
   */
  show(index, lit, roles) {
    const { item } = this.selection;
    const { shape, rows, slots } = item ? workRows(index, item, lit) : { shape: [1], rows: [], slots: 0 };
    const isStamp = item?.grid === "input";
    sayIn(this.note, this.words(item, rows.length));
    this.build(shape, rows.length, slots);
    const made = item === this.selection.stepped && this.selection.made >= 0 ? this.selection.made : Infinity;
    const order = new Map(Array.from(lit.products, (product, number) => [product, number]));
    let longest = 2;
    rows.slice(0, MOST_ROWS).forEach((row, number) => {
      const { row: line, label, total, cells } = this.made[number];
      line.className = `views-work views-role-${isStamp ? (item && roles.input[item.channel]) || "input" : roles.input[Number(row.key)]}`;
      sayIn(label, rows.length > 1 ? row.key : "");
      label.hidden = rows.length < 2;
      let last = -1;
      row.products.forEach((product, slot) => {
        const isMade = product >= 0 && (order.get(product) ?? 0) < made;
        if (isMade && (last < 0 || (order.get(product) ?? 0) > (order.get(last) ?? 0))) last = product;
        const values = product < 0 ? [null, null, null] : [index.inputValue(product), index.weightValue(product), isMade ? index.product(product) : null];
        cells.forEach((patch, which) => {
          const cell = patch[slot];
          const text = product < 0 ? "" : fittingNumber(values[which], roomOf(this.cell));
          longest = Math.max(longest, text.length);
          sayIn(cell, text);
          cell.title = fullNumber(values[which]);
          if (product >= 0) cell.dataset.product = String(product);
          else delete cell.dataset.product;
          const origin = which === 0 && product >= 0 ? index.origin(product) : "input";
          if (origin !== "input") cell.dataset.origin = origin;
          else delete cell.dataset.origin;
          cell.toggleAttribute("data-none", product < 0);
          const isNow = product >= 0 && (product === this.selection.product || order.get(product) === made - 1);
          if (isNow) cell.dataset.lit = "now";
          else delete cell.dataset.lit;
        });
      });
      const isSum = item?.grid === "output";
      const bias = item?.grid === "output" && number === rows.length - 1 && made >= lit.products.length ? index.stage.kernel.bias?.[item.channel] : undefined;
      const offset = bias === undefined || !item || index.isScatter ? "" : ` + bias ${factorNumber(bias)} = ${mediumNumber(itemValue(index, item))}`;
      sayIn(total, isSum && last >= 0 ? `Σ ${mediumNumber(index.sum(last))}${offset}` : "");
      total.title = isSum && last >= 0 ? `sum so far: ${fullNumber(index.sum(last))}` : "";
    });
    this.element.style.setProperty("--letters", `${letterSize(this.cell, longest)}px`);
  }

  /**
   * @param {Item | null} item
   * @param {number} rows
   */
  words(item, rows) {
    if (!item) return "";
    const many = rows > 1 ? (item.grid === "input" ? ", for each output channel" : ", for each input channel; Σ is the sum so far") : "";
    if (item.grid === "output" && rows) return `What lies under the kernel × the kernel = the products${many}`;
    if (item.grid === "input" && rows) return `The cell × every weight that meets it = what it adds${many}`;
    return item.grid === "kernel" ? "Lit: every cell that this weight meets, and every output that it feeds." : "";
  }

  /**
   * Keep as much room as the steps of the player need, whatever is shown.
   * @param {StageIndex[]} indices of each reading
   */
  reserve(indices) {
    const [index] = indices;
    const { planes, rows, columns } = planesOf(index.stage.kernel.shape.slice(2));
    this.isRoomy = [...index.weights, ...index.stage.input.values.flat()].some((value) => shortNumber(value).length > 3);
    const channels = Math.max(...indices.map(channelsOf));
    const isLine = rows * planes === 1 && columns > 1;
    const cell = this.cellSize(planes * rows, columns);
    const high = (isLine ? 3 : planes * rows) * cell + 8 * planes + 8 + (this.width < 480 ? 24 : 0);
    this.rows.style.setProperty("--reserved", `${Math.min(Math.max(channels, 1) * high + 8, 380)}px`);
  }

  /**
   * @param {number} down
   * @param {number} columns
   */
  cellSize(down, columns) {
    const isLine = down === 1 && columns > 1;
    return Math.max(Math.min(Math.floor((Math.min(this.width, 760) - (isLine ? 90 : this.width < 480 ? 100 : 150)) / (isLine ? columns : columns * 3)), this.isRoomy ? 48 : 38), 12);
  }

  /**
   * Make the cells; those of the same shape stay.
   * @param {number[]} size
   * @param {number} rows
   * @param {number} slots
   */
  build(size, rows, slots) {
    const shape = `${size} ${Math.min(rows, MOST_ROWS)} ${slots} ${Math.round(this.width / 20)} ${this.isRoomy}`;
    if (shape === this.shape) return;
    this.shape = shape;
    const { planes, rows: down, columns } = planesOf(size);
    // One line of taps is written as by hand: below one another, column under column.
    const isLine = down * planes === 1 && columns > 1;
    const cell = this.cellSize(down * planes, columns);
    this.rows.classList.toggle("views-upright", isLine);
    this.element.style.setProperty("--cell", `${cell}px`);
    this.cell = cell;
    this.made = [];
    for (let number = 0; number < Math.min(rows, MOST_ROWS); number++) {
      const label = nodeOf("span", { class: "views-down" });
      const total = nodeOf("span", { class: "views-total" });
      const patches = ["input", "kernel", "output"].map((grid) => {
        const cells = [];
        for (let slot = 0; slot < slots; slot++) cells.push(nodeOf("span", { class: "views-cell" }));
        const sheets = [];
        for (let plane = 0; plane < planes; plane++) sheets.push(nodeOf("span", { class: "views-grid" }, ...cells.slice(plane * down * columns, (plane + 1) * down * columns)));
        const patch = nodeOf("span", { class: `views-planes views-patch views-patch-${grid}` }, ...sheets);
        patch.style.setProperty("--columns", String(columns));
        return { cells, patch };
      });
      const row = nodeOf("div", { class: "views-work" }, label, patches[0].patch, signOf("×"), patches[1].patch, signOf("="), patches[2].patch, total);
      this.made.push({ row, label, total, cells: patches.map((patch) => patch.cells) });
    }
    this.rows.replaceChildren(...this.made.map((made) => made.row));
  }
}

/**
 * How many channels a step of the player has products with.
 * @param {StageIndex} index
 */
function channelsOf(index) {
  const pattern = index.stage.patterns[0];
  return new Set(pattern ? (index.isScatter ? pattern.oc : pattern.ic) : []).size;
}

/** @param {string} text */
function signOf(text) {
  return nodeOf("span", { class: "views-sign", "aria-hidden": "true" }, text);
}

/**
 * The products of an item by the channel on the other side, and within it by tap.
 * @param {StageIndex} index
 * @param {Item} item
 * @param {Lit} lit
 * @returns {{shape: number[], rows: WorkRow[], slots: number}}
 */
export function workRows(index, item, lit) {
  const none = { shape: [1], rows: [], slots: 0 };
  if (item.grid !== "input" && item.grid !== "output") return none;
  const kernel = index.stage.kernel.shape.slice(2);
  const isStep = index.stage[item.grid] === index.focusGrid && lit.step >= 0;
  const slots = isStep ? index.stage.steps.windows[lit.step].length : index.taps;
  /** @type {Map<number, number[]>} */
  const rows = new Map();
  for (let number = 0; number < lit.products.length; number++) {
    const product = lit.products[number];
    const key = item.grid === "input" ? index.oc[product] : index.ic[product];
    const row = rows.get(key) ?? new Array(slots).fill(-1);
    rows.set(key, row);
    const slot = isStep ? index.tap[product] : index.weight[product] % index.taps;
    if (row[slot] >= 0) return none; // a border that repeats cells brings the same weight twice: the table lists it
    row[slot] = product;
  }
  return { shape: slots === index.taps ? kernel : [slots], rows: [...rows].map(([key, products]) => ({ key: String(key), products })), slots };
}
