/**
 * One stage as it is read one way: input, kernel and output with the signs between them, and the numbers that can be changed on them.
 */
import { NumberChanges } from "./changes.js";
import { GridView } from "./grid.js";
import { isFlowing, KernelView, weightBlocks } from "./kernel.js";
import { lightsOf } from "./lighting.js";
import { nodeOf, sayIn } from "./nodes.js";
import { PaintTool } from "./painting.js";
import { measureCells, planesOf } from "./planes.js";
import { listenToCells } from "./pointing.js";
import { outputsAt } from "./progress.js";
import { placesOf, shownSize, StageIndex } from "./scene.js";

/** @typedef {import("../store.js").Store} Store */
/** @typedef {import("../selection.js").Item} Item */
/** @typedef {import("../selection.js").Selection} Selection */
/** @typedef {import("./planes.js").Sizes} Sizes */

const SIGNS = /** @type {Record<string, string>} */ ({
  "×": "every input cell times the kernel",
  "∗": "convolution: the kernel lies flipped",
  "⋆": "cross-correlation: the kernel lies as it is",
});

/** How a transposed convolution is read. */
export const READINGS = /** @type {Record<string, string>} */ ({
  scatter: "Scatter: each input cell, times the kernel, is stamped onto the output; where stamps overlap they add.",
  gather: "Gather: zeros are inserted between the inputs, and the flipped kernel slides over them.",
});

/** The grids of one reading. */
export class EquationView {
  /**
   * @param {Store} store
   * @param {Selection} selection
   */
  constructor(store, selection) {
    this.selection = selection;
    this.input = new GridView("input");
    this.kernel = new KernelView();
    this.output = new GridView("output");
    /** @type {StageIndex | null} */
    this.index = null;
    this.lit = lightsOf(null, null, -1);
    /** @type {Item | null} What is lit. */
    this.item = null;
    this.note = nodeOf("p", { class: "views-note", hidden: true });
    this.sign = nodeOf("span", { class: "views-sign" }, "⋆");
    this.grids = nodeOf("div", { class: "views-grids" }, this.input.element, this.sign, this.kernel.element, nodeOf("span", { class: "views-sign" }, "="), this.output.element);
    this.element = nodeOf("div", { class: "views-equation" }, this.note, this.grids);
    const index = () => /** @type {StageIndex} */ (this.index);
    const cells = { input: this.input.board.cells, output: this.output.board.cells, kernel: this.kernel.board.cells, bias: this.kernel.biases.cells };
    this.changes = new NumberChanges(store, selection, index, cells);
    /** @param {"input" | "output"} grid @returns {(key: number) => Item} */
    const cellsOf = (grid) => (key) => {
      const { stage } = index();
      const places = placesOf(stage[grid]);
      return { grid, channel: Math.floor(key / places), place: key % places, reading: stage.reading };
    };
    const names = { input: this.input.names, output: this.output.names, kernel: this.kernel.names, bias: this.kernel.biasNames };
    /** @param {HTMLElement} element @param {keyof typeof cells} grid @param {(key: number) => Item} itemOf */
    const listen = (element, grid, itemOf) => listenToCells({ element, cells: cells[grid], names: names[grid], itemOf, edit: (key, text) => this.changes.edit(itemOf(key), text) }, selection);
    listen(this.input.element, "input", cellsOf("input"));
    listen(this.output.element, "output", cellsOf("output"));
    listen(this.kernel.tiles, "kernel", (key) => ({ grid: "kernel", channel: 0, place: key }));
    listen(this.kernel.bias, "bias", (key) => ({ grid: "bias", channel: key, place: 0 }));
    const paint = new PaintTool(this.input.element, cells.input, (strokes) => this.changes.paintCells(strokes));
    if (store.canEdit) this.input.tools.append(paint.element);
    this.grids.addEventListener("click", (event) => {
      const isFree = event.target instanceof Element && !event.target.closest("[data-key], button, input");
      if (isFree && selection.pinned) selection.pin(null);
    });
  }

  /**
   * @param {StageIndex} index
   * @param {{input: string[], output: string[]}} roles
   * @param {boolean} isPaired whether the other reading stands beside it
   */
  update(index, roles, isPaired) {
    this.index = index;
    const { input, output, reading } = index.stage;
    this.note.hidden = !isPaired;
    sayIn(this.note, READINGS[reading] ?? "");
    for (const view of this.panels) view.setReading(isPaired ? reading : "");
    this.input.update(input, roles.input, input.values.flat());
    this.kernel.update(index, roles.input);
    this.output.update(output, roles.output, index.results);
    const sign = index.isScatter ? "×" : index.isFlipped ? "∗" : "⋆";
    sayIn(this.sign, sign);
    this.sign.classList.toggle("views-star", sign === "⋆");
    this.sign.title = SIGNS[sign];
  }

  /**
   * How large cells can be on so wide a page.
   * @param {number} width
   * @param {boolean} isHalf whether the other reading stands beside it
   */
  measure(width, isHalf) {
    const index = /** @type {StageIndex} */ (this.index);
    const { input, output, kernel } = index.stage;
    const roomOf = (/** @type {typeof input} */ grid) => {
      const planes = planesOf(shownSize(grid));
      return { planes, tiles: grid.channels * planes.planes };
    };
    const blocks = weightBlocks(index);
    const isMatrix = blocks.size > 1 && !isFlowing(index, blocks);
    const planes = planesOf(kernel.shape.slice(2));
    return measureCells(width, roomOf(input), { planes, across: isMatrix ? output.channels : blocks.size > 1 ? 2 : 1, down: planes.planes * (isMatrix ? input.channels : 1) }, roomOf(output), isHalf);
  }

  /** @param {Sizes} sizes */
  resize(sizes) {
    this.element.toggleAttribute("data-wide", sizes.isWide);
    this.element.toggleAttribute("data-beside", sizes.isBeside);
    this.grids.style.setProperty("--input-width", `${Math.ceil(sizes.input)}px`);
    this.grids.style.setProperty("--kernel-share", `${Math.ceil(sizes.share)}px`);
    const rows = planesOf(this.index?.stage.kernel.shape.slice(2) ?? [1]).rows;
    this.grids.style.setProperty("--middle", `${Math.round(Math.min(rows * sizes.kernel, 300) / 2)}px`);
    this.input.resize(sizes.cell);
    this.output.resize(sizes.cell);
    this.kernel.resize(sizes.kernel);
  }

  /** What can be scrolled where it does not fit. */
  get panels() {
    return [this.input, this.kernel, this.output];
  }

  /** The cells have their places: see which panels hold more than they show, and scroll to what is lit. */
  settle() {
    for (const view of this.panels) {
      const { isScrolling } = view;
      view.isScrolling = view.scroll.scrollHeight > view.scroll.clientHeight + 1;
      if (view.isScrolling && !isScrolling && this.item) this.reveal(this.item);
    }
  }

  /**
   * @param {Item | null} item with places of these grids
   * @param {number} pointed a product that stands out; -1: none
   * @param {number} made how many products are made; -1: all
   * @param {boolean} isWalked whether the player goes through these grids
   * @param {boolean} isNew whether cells have come: then what is lit is scrolled to when they have their places
   */
  light(item, pointed, made, isWalked, isNew) {
    const { index } = this;
    this.item = item;
    if (!index) return;
    const lit = lightsOf(index, item, pointed, made);
    this.lit = lit;
    const { isScatter } = index;
    this.output.show(isWalked ? outputsAt(index, this.selection) : index.results);
    this.input.light(lit.input, isScatter ? null : lit.window);
    this.output.light(lit.output, isScatter ? lit.window : null);
    this.kernel.light(lit);
    if (item && isNew) requestAnimationFrame(() => item === this.item && this.reveal(item));
    else if (item) this.reveal(item);
  }

  /**
   * Scroll what is lit into the view of panels that scroll; the one that the item is in stays.
   * @param {Item} item
   */
  reveal(item) {
    const { selection } = this;
    for (const view of this.panels) {
      const isOwn = view instanceof KernelView ? item.grid === "kernel" || item.grid === "bias" : item.grid === view.name;
      if ((isOwn && item === selection.item && item !== selection.stepped) || !view.isScrolling) continue;
      const lit = view.tiles.querySelector("[data-lit]")?.closest(".views-tile");
      if (!(lit instanceof HTMLElement) || !view.scroll) continue;
      const top = lit.offsetTop - view.tiles.offsetTop;
      const { scrollTop, clientHeight } = view.scroll;
      if (top < scrollTop) view.scroll.scrollTop = top;
      else if (top + lit.offsetHeight > scrollTop + clientHeight) view.scroll.scrollTop = Math.min(top, top + lit.offsetHeight - clientHeight + 6);
    }
  }
}
