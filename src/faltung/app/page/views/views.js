/**
 * The convolution drawn: grids, kernel, formula, products and player, all showing one selection.
 */
import { Selection } from "../selection.js";
import { NumberChanges } from "./changes.js";
import { FormulaView } from "./formula.js";
import { GridView } from "./grid.js";
import { helpOf } from "./help.js";
import { isFlowing, KernelView, weightBlocks } from "./kernel.js";
import { lightsOf, sharedProduct } from "./lighting.js";
import { MatrixView } from "./matrix.js";
import { flatOf } from "./naming.js";
import { buttonOf, nodeOf, sayIn } from "./nodes.js";
import { shadeNumber } from "./numbers.js";
import { PaintTool } from "./painting.js";
import { measureCells, planesOf } from "./planes.js";
import { PlayerView } from "./player.js";
import { listenToCells } from "./pointing.js";
import { outputsAt } from "./progress.js";
import { rolesOf } from "./roles.js";
import { placesOf, shownSize, StageIndex } from "./scene.js";
import { switchOf } from "./grid.js";
import { TableView } from "./table.js";
import { TabsView } from "./tabs.js";
import { WorkingView } from "./working.js";

/** @typedef {import("../store.js").Store} Store */
/** @typedef {import("../selection.js").Item} Item */

const PICTURE_CELLS = 144;
const PICTURES = ["digit", "photo"];

/** All views of one page. */
class ExplorerViews {
  /**
   * @param {HTMLElement} root
   * @param {Store} store
   * @param {{page?: boolean}} options
   */
  constructor(root, store, options) {
    this.store = store;
    this.selection = new Selection();
    const { selection } = this;
    this.input = new GridView("input");
    this.kernel = new KernelView();
    this.output = new GridView("output");
    this.formula = new FormulaView(selection);
    this.working = new WorkingView(selection);
    this.table = new TableView(selection);
    this.matrix = new MatrixView(selection);
    this.player = new PlayerView(selection);
    this.tabs = new TabsView({ Products: this.working.element, "As a matrix": this.matrix.element, Table: this.table.element }, () => this.light());
    /** @type {StageIndex | null} */
    this.index = null;
    /** @type {import("./lighting.js").Lit | null} What is lit. */
    this.lit = null;
    /** @type {boolean | null} Whether cells are shaded; null: nobody has said. */
    this.isShaded = null;
    /** The width that the cells were measured for. */
    this.fitted = 0;
    /** @type {any} */
    this.scene = null;
    /** @type {{input: string[], output: string[]}[]} */
    this.roles = [];
    this.title = nodeOf("h2", { class: "views-name" });
    this.stages = nodeOf("div", { class: "views-choice", role: "group", "aria-label": "Stage" });
    this.readings = nodeOf("div", { class: "views-choice", role: "group", "aria-label": "How the transposed convolution is read" });
    this.shades = switchOf("Shade values", "Colour cells by their value");
    this.note = nodeOf("p", { class: "views-note views-reading" });
    this.sign = nodeOf("span", { class: "views-sign" }, "⋆");
    this.grids = nodeOf("div", { class: "views-grids" }, this.input.element, this.sign, this.kernel.element, nodeOf("span", { class: "views-sign" }, "="), this.output.element);
    const edits = store.canEdit;
    this.element = nodeOf(
      "div",
      { class: "explorer" },
      nodeOf("div", { class: "views-top" }, this.title, nodeOf("span", { class: "views-spring" }), this.stages, this.readings, this.shades),
      this.note,
      this.player.element,
      this.grids,
      this.formula.element,
      this.tabs.element,
      helpOf(edits),
    );
    root.append(this.element);
    this.listen(options);
    this.unsubscribe = [store.subscribe(() => this.update()), selection.subscribe(() => this.light())];
    this.update();
  }

  /** @param {{page?: boolean}} options */
  listen(options) {
    const { selection } = this;
    const edits = this.store.canEdit;
    /** @param {"input" | "output"} grid @returns {(key: number) => Item} */
    const cellsOf = (grid) => (key) => {
      const places = this.index ? placesOf(this.index.stage[grid]) : 1;
      return { grid, channel: Math.floor(key / places), place: key % places };
    };
    const index = () => /** @type {StageIndex} */ (this.index);
    const cells = { input: this.input.board.cells, output: this.output.board.cells, kernel: this.kernel.board.cells, bias: this.kernel.biases.cells };
    const changes = new NumberChanges(this.store, selection, index, cells);
    const paint = new PaintTool(this.input.element, cells.input, (strokes) => changes.paintCells(strokes));
    if (edits) this.input.tools.append(paint.element);
    /** @param {HTMLElement} element @param {keyof typeof cells} grid @param {(key: number) => Item} itemOf */
    const listen = (element, grid, itemOf) => listenToCells({ element, cells: cells[grid], itemOf, edit: (key, text) => changes.edit(itemOf(key), text) }, selection);
    listen(this.input.element, "input", cellsOf("input"));
    listen(this.output.element, "output", cellsOf("output"));
    listen(this.kernel.tiles, "kernel", (key) => ({ grid: "kernel", channel: 0, place: key }));
    listen(this.kernel.bias, "bias", (key) => ({ grid: "bias", channel: key, place: 0 }));
    this.formula.canEdit = (item) => changes.allows(item);
    this.formula.edit.addEventListener("click", () => selection.pinned && changes.edit(selection.pinned, null));
    this.shades.addEventListener("click", () => {
      this.isShaded = !this.element.hasAttribute("data-shades");
      this.drawShades();
    });
    this.grids.addEventListener("click", (event) => {
      const isFree = event.target instanceof Element && !event.target.closest("[data-key], button, input");
      if (isFree && selection.pinned) selection.pin(null);
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && selection.pinned) {
        event.preventDefault();
        selection.pin(null);
      }
      this.player.press(event);
    });
    const onPage = (/** @type {KeyboardEvent} */ event) => {
      if (event.target !== document.body) return;
      if (event.key === "Escape" && selection.pinned) selection.pin(null);
      this.player.press(event);
    };
    if (options.page) document.addEventListener("keydown", onPage);
    const watch = new ResizeObserver(() => this.fit() && this.light());
    watch.observe(this.element);
    const themed = new MutationObserver(() => this.light());
    const play = this.element.closest(".faltung-play");
    if (play) themed.observe(play, { attributeFilter: ["data-theme"] });
    this.quiet = () => {
      themed.disconnect();
      if (options.page) document.removeEventListener("keydown", onPage);
      watch.disconnect();
    };
  }

  /** A new answer: its scene, or the last one where there is none. */
  update() {
    const scene = this.store.answer?.scene;
    if (!scene || scene === this.scene) return;
    const before = this.index;
    this.scene = scene;
    this.roles = rolesOf(/** @type {any} */ (scene.stages));
    if (this.selection.stage >= scene.stages.length) this.selection.reset(0);
    this.showStage(before);
  }

  /** @param {StageIndex | null} before the index that was shown */
  showStage(before) {
    const { selection, scene } = this;
    const index = new StageIndex(scene.stages[selection.stage]);
    if (!before || shapeOf(before) !== shapeOf(index)) {
      const { stage } = selection;
      selection.reset(stage);
      this.player.play(false);
    }
    this.index = index;
    const { input, output } = index.stage;
    const roles = this.roles[selection.stage];
    sayIn(this.title, scene.title);
    this.drawChoices();
    this.drawShades();
    this.input.update(input, roles.input, input.values.flat());
    this.kernel.update(index, roles.input);
    this.output.update(output, roles.output, index.results);
    const sign = index.isScatter ? "×" : index.isFlipped ? "∗" : "⋆";
    sayIn(this.sign, sign);
    this.sign.classList.toggle("views-star", sign === "⋆");
    this.sign.title = { "×": "every input cell times the kernel", "∗": "convolution: the kernel lies flipped", "⋆": "cross-correlation: the kernel lies as it is" }[sign] ?? "";
    this.player.update(index);
    // A piece of the playground in a page of its own may come without matrices.
    this.tabs.offer(this.matrix.element, this.store.canEdit || Boolean(this.store.answer?.matrices));
    this.matrix.update(index, this.store.answer?.matrices?.stages?.[selection.stage] ?? null, roles);
    this.fitted = 0;
    this.fit();
    this.light();
  }

  /** Shading by value: as somebody wants it, else where the input is more of a picture than of numbers. */
  drawShades() {
    const isPicture = (this.index?.inputCells ?? 0) >= PICTURE_CELLS || PICTURES.includes(namedIn(this.store.state?.x));
    const isOn = this.isShaded ?? isPicture;
    this.element.toggleAttribute("data-shades", isOn);
    // Of a picture what is large is bright.
    const values = this.index?.stage.input.values.flat() ?? [];
    this.input.element.toggleAttribute("data-picture", isOn && isPicture && !values.some((value) => shadeNumber(value) < 0));
    this.shades.setAttribute("aria-pressed", String(isOn));
  }

  /**
   * Show another stage; a pinned cell that both share stays pinned: the output of one is the input of the next.
   * @param {number} stage
   */
  goToStage(stage) {
    const { selection, index } = this;
    const { pinned } = selection;
    const step = stage - selection.stage;
    const isShared = pinned && ((step === 1 && pinned.grid === "output") || (step === -1 && pinned.grid === "input"));
    const flat = isShared && index ? flatOf(index, pinned) : -1;
    selection.reset(stage);
    this.player.play(false);
    this.showStage(null);
    if (flat < 0 || !this.index) return;
    const [cells, places] = step > 0 ? [this.index.inputCells, this.index.inputPlace] : [this.index.outputCells, this.index.outputPlace];
    selection.pin({ grid: step > 0 ? "input" : "output", channel: Math.floor(flat / cells), place: places[flat % cells] });
  }

  /** Switches for stages and readings, where there is something to choose. */
  drawChoices() {
    const { stages } = this.scene;
    const { stage } = /** @type {StageIndex} */ (this.index);
    this.stages.hidden = stages.length < 2;
    this.stages.replaceChildren(
      ...(stages.length < 2 ? [] : stages).map((/** @type {{name: string}} */ one, /** @type {number} */ number) => {
        const button = buttonOf({ "aria-pressed": String(number === this.selection.stage) }, `${number + 1}. ${one.name}`);
        button.addEventListener("click", () => {
          this.goToStage(number);
          /** @type {HTMLElement | undefined} */ (this.stages.children[number])?.focus();
        });
        return button;
      }),
    );
    const { link } = this.store;
    this.readings.hidden = !stage.is_transposed || !(this.store.canEdit || (link.varying && "reading" in link.varying));
    if (!this.readings.hidden && this.readings.childElementCount === 0) {
      for (const [reading, words] of [["scatter", "scatter: stamp the kernel"], ["gather", "gather: slide over zeros"]]) {
        const button = buttonOf({ "data-reading": reading }, words);
        button.addEventListener("click", () => this.store.change({ reading }));
        this.readings.append(button);
      }
    }
    for (const button of this.readings.children) button.setAttribute("aria-pressed", String(button.getAttribute("data-reading") === stage.reading));
    this.note.hidden = !stage.is_transposed;
    sayIn(
      this.note,
      stage.reading === "scatter"
        ? "Scatter: each input cell, times the kernel, is stamped onto the output; where stamps overlap they add."
        : "Gather: zeros are inserted between the inputs, and the flipped kernel slides over them.",
    );
  }

  /** Give cells as many pixels as there is room for; whether that has changed. */
  fit() {
    const { index } = this;
    const width = this.element.clientWidth;
    if (!index || !width || this.fitted === width) return false;
    this.fitted = width;
    const { input, output, kernel } = index.stage;
    const roomOf = (/** @type {typeof input} */ grid) => {
      const planes = planesOf(shownSize(grid));
      return { planes, tiles: grid.channels * planes.planes };
    };
    const blocks = weightBlocks(index);
    const isMatrix = blocks.size > 1 && !isFlowing(index, blocks);
    const planes = planesOf(kernel.shape.slice(2));
    const sizes = measureCells(width, roomOf(input), { planes, across: isMatrix ? output.channels : blocks.size > 1 ? 2 : 1, down: planes.planes * (isMatrix ? input.channels : 1) }, roomOf(output));
    this.element.toggleAttribute("data-wide", sizes.isWide);
    this.element.toggleAttribute("data-beside", sizes.isBeside);
    this.grids.style.setProperty("--input-width", `${Math.ceil(sizes.input)}px`);
    this.grids.style.setProperty("--middle", `${Math.round(Math.min(planes.rows * sizes.kernel, 300) / 2)}px`);
    this.input.resize(sizes.cell);
    this.output.resize(sizes.cell);
    this.kernel.resize(sizes.kernel);
    for (const view of [this.input, this.kernel, this.output]) view.isScrolling = view.scroll.scrollHeight > view.scroll.clientHeight + 1;
    const terms = lightsOf(index, this.player.itemOf(0), -1).products.length;
    const lines = Math.ceil(((terms || 1) * (index.isScatter ? 150 : 62)) / (width - 40)) + (sizes.isWide ? 0 : 1);
    this.formula.element.style.setProperty("--lines", String(Math.min(Math.max(lines, 2), 4)));
    this.working.width = width;
    this.working.reserve(index);
    return true;
  }

  /** Show what is lit, everywhere. */
  light() {
    const { index, selection } = this;
    if (!index) return;
    const { item, pinned, hovered } = selection;
    const made = item === selection.stepped ? selection.made : -1;
    // What is pointed at while something is pinned stands out among its products.
    if (pinned && hovered) selection.product = sharedProduct(index, pinned, hovered);
    const lit = lightsOf(index, item, selection.product, made);
    this.lit = lit;
    const { isScatter } = index;
    this.output.show(outputsAt(index, selection));
    this.input.light(lit.input, isScatter ? null : lit.window);
    this.output.light(lit.output, isScatter ? lit.window : null);
    this.kernel.light(lit);
    if (item) this.reveal(item);
    this.formula.show(index, lit);
    if (this.tabs.isOpen(this.working.element)) this.working.show(index, lit, this.roles[selection.stage]);
    if (this.tabs.isOpen(this.table.element)) this.table.show(index, lit);
    if (this.tabs.isOpen(this.matrix.element)) this.matrix.light(lit);
    this.player.draw();
  }

  /**
   * Scroll what is lit into the view of panels that scroll; the one that the item is in stays.
   * @param {Item} item
   */
  reveal(item) {
    for (const view of [this.input, this.kernel, this.output]) {
      const isOwn = view instanceof KernelView ? item.grid === "kernel" || item.grid === "bias" : item.grid === view.name;
      if ((isOwn && item !== this.selection.stepped) || !view.isScrolling) continue;
      const lit = view.tiles.querySelector("[data-lit]")?.closest(".views-tile");
      if (!(lit instanceof HTMLElement) || !view.scroll) continue;
      const top = lit.offsetTop - view.tiles.offsetTop;
      const { scrollTop, clientHeight } = view.scroll;
      if (top < scrollTop) view.scroll.scrollTop = top;
      else if (top + lit.offsetHeight > scrollTop + clientHeight) view.scroll.scrollTop = Math.min(top, top + lit.offsetHeight - clientHeight + 6);
    }
  }

  /** The step that is shown, of the stage that is shown: for a still of it. */
  get step() {
    const { index, selection } = this;
    return index && index.frames ? index.ofFrame(selection.frame).step : 0;
  }

  destroy() {
    this.player.play(false);
    for (const end of this.unsubscribe) end();
    this.quiet?.();
    this.element.remove();
  }
}

/**
 * The name by which Python knows values; "" where they are given otherwise.
 * @param {Values | undefined} values
 */
function namedIn(values) {
  return values && "named" in values ? values.named : "";
}

/**
 * What must stay the same for a selection to stay valid.
 * @param {StageIndex} index
 */
function shapeOf(index) {
  const { input, output, kernel, reading } = index.stage;
  return JSON.stringify([reading, input.first, input.last, input.channels, input.size, output.first, output.last, output.channels, output.size, kernel.shape, index.count]);
}

/**
 * The convolution, drawn into `root`.
 * @param {HTMLElement} root
 * @param {Store} store
 * @param {{page?: boolean}} [options] page: Space and arrow keys work also where nothing has the focus
 * @returns {{destroy(): void, readonly step: number}}
 */
export function makeViews(root, store, options = {}) {
  return new ExplorerViews(root, store, options);
}
