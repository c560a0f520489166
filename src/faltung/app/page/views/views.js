/**
 * The convolution drawn: grids, kernel, formula, products and player, all showing one selection.
 */
import { Selection } from "../selection.js";
import { openEditor, withNumber } from "./editor.js";
import { FormulaView } from "./formula.js";
import { GridView } from "./grid.js";
import { isFlowing, KernelView, weightBlocks } from "./kernel.js";
import { lightsOf, sharedProduct } from "./lighting.js";
import { MatrixView } from "./matrix.js";
import { flatOf } from "./naming.js";
import { buttonOf, nodeOf, sayIn } from "./nodes.js";
import { PaintTool } from "./painting.js";
import { measureCells, planesOf } from "./planes.js";
import { PlayerView } from "./player.js";
import { listenToCells } from "./pointing.js";
import { rolesOf } from "./roles.js";
import { placesOf, shownSize, StageIndex, unravel } from "./scene.js";
import { switchOf } from "./grid.js";
import { TableView } from "./table.js";
import { TabsView } from "./tabs.js";
import { WorkingView } from "./working.js";

/** @typedef {import("../store.js").Store} Store */
/** @typedef {import("../selection.js").Item} Item */

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
    this.shades = switchOf("Shade", "Shade cells by their value");
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
    const itemOfInput = cellsOf("input");
    this.paint = new PaintTool(this.input.element, this.input.board.cells, (strokes) => this.paintCells(strokes));
    if (edits) this.input.tools.append(this.paint.element);
    listenToCells({ element: this.input.element, cells: this.input.board.cells, itemOf: itemOfInput, edit: edits ? (key, text) => this.editInput(itemOfInput(key), text) : null }, selection);
    listenToCells({ element: this.output.element, cells: this.output.board.cells, itemOf: cellsOf("output"), edit: null }, selection);
    listenToCells(
      {
        element: this.kernel.tiles,
        cells: this.kernel.board.cells,
        itemOf: (key) => ({ grid: "kernel", channel: 0, place: key }),
        edit: edits ? (key, text) => this.editWeight(key, text) : null,
      },
      selection,
    );
    listenToCells(
      {
        element: this.kernel.bias,
        cells: this.kernel.biases.cells,
        itemOf: (key) => ({ grid: "bias", channel: key, place: 0 }),
        edit: edits ? (key, text) => this.editBias(key, text) : null,
      },
      selection,
    );
    this.formula.canEdit = (item) => edits && item.grid !== "output" && (item.grid !== "input" || selection.stage === 0);
    this.formula.edit.addEventListener("click", () => {
      const item = selection.pinned;
      if (item?.grid === "input") this.editInput(item, null);
      else if (item?.grid === "kernel") this.editWeight(item.place, null);
      else if (item?.grid === "bias") this.editBias(item.channel, null);
    });
    this.shades.addEventListener("click", () => {
      this.isShaded = !this.element.hasAttribute("data-shades");
      this.drawShades();
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
    const watch = new ResizeObserver(() => this.fit());
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

  /**
   * The newest numbers of a field, nested: those of the answer, or those that are being asked about.
   * @param {"x" | "weight" | "bias_values"} field
   * @param {number} stage
   * @returns {any} null where they are not known
   */
  numbersOf(field, stage) {
    /** @type {any} */
    const { answer, state, busy } = this.store;
    const answered = stage ? answer?.state?.values?.then?.[stage - 1]?.[field] : answer?.state?.values?.[field];
    if (!busy || !answered) return answered ?? null;
    const given = stage ? state.then?.[stage - 1]?.[field] : state[field];
    const asked = given?.values ?? given;
    return Array.isArray(asked) && extentsOf(asked) === extentsOf(answered) ? asked : answered;
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
    this.sign.title = { "×": "every input cell times the kernel", "∗": "convolution: the kernel lies flipped", "⋆": "cross-correlation: the kernel lies as it is" }[sign] ?? "";
    this.player.update(index);
    this.matrix.update(index, this.store.answer?.matrices?.stages?.[selection.stage] ?? null, roles);
    this.fitted = 0;
    this.fit();
    this.light();
  }

  /** Shading by value: as somebody wants it, else for pictures. */
  drawShades() {
    const x = /** @type {{named?: string} | null} */ (this.store.state?.x);
    const isOn = this.isShaded ?? (x !== null && typeof x === "object" && "named" in x);
    this.element.toggleAttribute("data-shades", isOn);
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

  /** Give cells as many pixels as there is room for. */
  fit() {
    const { index } = this;
    const width = this.element.clientWidth;
    if (!index || !width || this.fitted === width) return;
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
    this.working.width = width;
    this.working.reserve(index);
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
    this.output.show(this.outputs());
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

  /** What the output holds at the frame of the player. */
  outputs() {
    const { selection } = this;
    const index = /** @type {StageIndex} */ (this.index);
    if (!selection.isPartial) return index.results;
    const start = index.stage.output.values.flat();
    return index.results.map((result, flat) => {
      const products = index.byOutput.of(flat);
      let [done, last] = [0, -1];
      for (const product of products) {
        const frame = index.frame(product);
        const isDone = frame < selection.frame || (frame === selection.frame && (selection.made < 0 || this.isMade(product)));
        if (!isDone) break;
        done++;
        last = product;
      }
      if (done === products.length && (products.length || index.isScatter || index.frameOfOutput(flat) <= selection.frame)) return result;
      if (last >= 0) return index.sum(last);
      return start[flat] ?? undefined;
    });
  }

  /**
   * Whether a product of the frame that the player is in is made already.
   * @param {number} product
   */
  isMade(product) {
    const lit = lightsOf(/** @type {StageIndex} */ (this.index), this.selection.stepped, -1).products;
    return Array.prototype.indexOf.call(lit, product) < this.selection.made;
  }

  /**
   * @param {Map<number, number>} strokes values by key of the cell
   */
  paintCells(strokes) {
    const index = /** @type {StageIndex} */ (this.index);
    const values = this.numbersOf("x", 0);
    if (this.selection.stage !== 0 || !values) return;
    const { input } = index.stage;
    let next = values;
    for (const [key, value] of strokes) {
      const source = input.sources[key % placesOf(input)];
      if (source >= 0) next = withNumber(next, [Math.floor(key / placesOf(input)), ...unravel(source, input.size)], value);
    }
    this.store.change({ x: { values: next } });
  }

  /**
   * @param {Item} item
   * @param {string | null} typed
   */
  editInput(item, typed) {
    const index = /** @type {StageIndex} */ (this.index);
    const { input } = index.stage;
    const source = input.sources[item.place];
    if (source < 0 || this.selection.stage !== 0 || !this.numbersOf("x", 0)) return false;
    const cell = this.input.board.cells.get(item.channel * placesOf(input) + index.inputPlace[source]);
    if (!cell) return false;
    const at = [item.channel, ...unravel(source, input.size)];
    openEditor(cell, input.values[item.channel][source], typed, (value) => this.store.change({ x: { values: withNumber(this.numbersOf("x", 0), at, value) } }));
    return true;
  }

  /**
   * @param {number} weight
   * @param {string | null} typed
   */
  editWeight(weight, typed) {
    const index = /** @type {StageIndex} */ (this.index);
    const cell = this.kernel.board.cells.get(weight);
    const at = unravel(weight, index.stage.kernel.shape);
    return this.editStage(cell, index.weights[weight], typed, "weight", at);
  }

  /**
   * @param {number} channel
   * @param {string | null} typed
   */
  editBias(channel, typed) {
    const { stage } = /** @type {StageIndex} */ (this.index);
    return this.editStage(this.kernel.biases.cells.get(channel), stage.kernel.bias?.[channel] ?? null, typed, "bias_values", [channel]);
  }

  /**
   * Edit a weight or a bias of whichever stage is shown.
   * @param {HTMLElement | undefined} cell
   * @param {import("./numbers.js").CellValue} value
   * @param {string | null} typed
   * @param {"weight" | "bias_values"} field
   * @param {number[]} at
   */
  editStage(cell, value, typed, field, at) {
    const { stage } = this.selection;
    if (!cell || !this.numbersOf(field, stage)) return false;
    openEditor(cell, value, typed, (number) => {
      const changed = withNumber(this.numbersOf(field, stage), at, number);
      const given = field === "weight" ? { values: changed } : changed;
      if (!stage) return this.store.change({ [field]: given });
      const then = /** @type {any[]} */ (this.store.state.then).slice();
      then[stage - 1] = { ...then[stage - 1], [field]: given };
      this.store.change({ then });
    });
    return true;
  }

  destroy() {
    this.player.play(false);
    for (const end of this.unsubscribe) end();
    this.quiet?.();
    this.element.remove();
  }
}

/**
 * What can be done here, in a fold at the end.
 * @param {boolean} edits
 */
function helpOf(edits) {
  const lines = [
    ["Point at a cell", "an output shows its window, every product and the sum; an input all outputs that it feeds; a weight everything that it meets"],
    ["Click, tap or Enter", "pins it, again or Escape lets go; while it is pinned, point at other cells to see their products in it"],
    ["Tab and arrows", "go to a grid and from cell to cell; Page Up and Page Down to the next channel"],
    ...(edits ? [["Double click, F2 or a digit", "changes a number of the input, the kernel or the bias; Paint sets every cell that is passed"]] : []),
    ["Space, ← and →", "play and step, where no cell has the focus"],
  ];
  const list = nodeOf("dl", {}, ...lines.flatMap(([key, words]) => [nodeOf("dt", {}, key), nodeOf("dd", {}, words)]));
  return nodeOf("details", { class: "views-help" }, nodeOf("summary", {}, "How to use this: point, click, type, play"), list);
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
 * The lengths of nested lists.
 * @param {any} nested
 * @returns {string}
 */
function extentsOf(nested) {
  return Array.isArray(nested) ? `${nested.length} ${extentsOf(nested[0])}` : "";
}

/**
 * The convolution, drawn into `root`.
 * @param {HTMLElement} root
 * @param {Store} store
 * @param {{page?: boolean}} [options] page: Space and arrow keys work also where nothing has the focus
 * @returns {{destroy(): void}}
 */
export function makeViews(root, store, options = {}) {
  return new ExplorerViews(root, store, options);
}
