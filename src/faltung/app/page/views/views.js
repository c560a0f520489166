/**
 * The convolution drawn: grids, kernel, formula, products and player, all showing one selection.
 */
import { Selection } from "../selection.js";
import { counterpartOf, counterpartProduct } from "./counterpart.js";
import { EquationView, READINGS } from "./equation.js";
import { FormulaView } from "./formula.js";
import { switchOf } from "./grid.js";
import { helpOf } from "./help.js";
import { lightsOf, sharedProduct } from "./lighting.js";
import { MatrixView } from "./matrix.js";
import { flatOf } from "./naming.js";
import { buttonOf, nodeOf, sayIn } from "./nodes.js";
import { shadeNumber } from "./numbers.js";
import { PlayerView } from "./player.js";
import { rolesOf } from "./roles.js";
import { StageIndex } from "./scene.js";
import { TableView } from "./table.js";
import { TabsView } from "./tabs.js";
import { WorkingView } from "./working.js";

/** @typedef {import("../store.js").Store} Store */
/** @typedef {import("../selection.js").Item} Item */

const PICTURE_CELLS = 144;
const PICTURES = ["digit", "photo"];
const CHOICES = { scatter: "scatter: stamp the kernel", gather: "gather: slide over zeros", both: "both, side by side" };

/** Pixels from which on two readings stand beside each other, and what lies between them. */
const LEAST_PAIR = 600;
const PAIR_GAP = 28;

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
    this.first = new EquationView(store, selection);
    /** @type {EquationView | null} The other reading, made when it is first wanted. */
    this.second = null;
    this.formula = new FormulaView(selection);
    this.working = new WorkingView(selection);
    this.table = new TableView(selection);
    this.matrix = new MatrixView(selection);
    this.player = new PlayerView(selection);
    this.tabs = new TabsView({ Products: this.working.element, "As a matrix": this.matrix.element, Table: this.table.element }, () => {
      store.wantMatrices(this.tabs.isOpen(this.matrix.element));
      this.light();
    });
    /** @type {StageIndex | null} Of the reading that the controls mean. */
    this.index = null;
    /** @type {StageIndex | null} Of the reading that stands beside it. */
    this.beside = null;
    /** @type {import("./lighting.js").Lit | null} What is lit. */
    this.lit = null;
    /** @type {boolean | null} Whether cells are shaded; null: nobody has said. */
    this.isShaded = null;
    /** How wide all of it is, and the width that the cells were measured for. */
    this.width = 0;
    this.fitted = 0;
    /** @type {any} */
    this.scene = null;
    /** @type {any[] | null} The stages as they are read the other way, where they are. */
    this.gathered = null;
    /** What must stay the same for a selection to stay valid. */
    this.shape = "";
    /** @type {{input: string[], output: string[]}[]} */
    this.roles = [];
    this.title = nodeOf("h2", { class: "views-name" });
    this.stages = nodeOf("div", { class: "views-choice", role: "group", "aria-label": "Stage" });
    this.readings = nodeOf("div", { class: "views-choice", role: "group", "aria-label": "How the transposed convolution is read" });
    this.shades = switchOf("Shade values", "Colour cells by their value");
    this.note = nodeOf("p", { class: "views-note views-reading" });
    this.equations = nodeOf("div", { class: "views-equations" }, this.first.element);
    const edits = store.canEdit;
    this.element = nodeOf(
      "div",
      { class: "explorer" },
      nodeOf("div", { class: "views-top" }, this.title, nodeOf("span", { class: "views-spring" }), this.stages, this.readings, this.shades),
      this.note,
      this.player.element,
      this.equations,
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
    this.formula.canEdit = (item) => this.equationOf(item).changes.allows(item);
    this.formula.edit.addEventListener("click", () => selection.pinned && this.equationOf(selection.pinned).changes.edit(selection.pinned, null));
    this.player.readings.addEventListener("change", () => this.walkThrough(this.player.readings.value));
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
    // Observed, not asked for: that would lay out the page in the middle of a change, and once more after it.
    const watch = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) if (target === this.element) this.width = contentRect.width;
      for (const equation of this.shownEquations) equation.settle();
      if (this.fit()) this.light();
    });
    watch.observe(this.element);
    this.watch = (/** @type {EquationView} */ equation) => equation.panels.forEach((view) => watch.observe(view.tiles));
    this.watch(this.first);
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
   * The grids that an item is in; of a weight, which is in both readings, those that the player goes through.
   * @param {Item | null} item
   */
  equationOf(item) {
    const { first, second } = this;
    const reading = item?.reading ?? (this.beside ? this.player.reading : "");
    return second && this.beside?.stage.reading === reading ? second : first;
  }

  /** A new answer: its scene, or the last one where there is none. */
  update() {
    const { answer } = this.store;
    const scene = answer?.scene;
    if (!scene || (scene === this.scene && answer.gathered === this.gathered)) return;
    this.scene = scene;
    this.gathered = answer.gathered;
    this.roles = rolesOf(/** @type {any} */ (scene.stages));
    if (this.selection.stage >= scene.stages.length) this.selection.reset(0);
    this.showStage();
  }

  showStage() {
    const { selection, scene, first } = this;
    const index = new StageIndex(scene.stages[selection.stage]);
    const beside = this.gathered?.[selection.stage];
    this.index = index;
    this.beside = beside ? new StageIndex(beside) : null;
    const shape = [index, this.beside].map((one) => one && shapeOf(one)).join();
    if (shape !== this.shape) {
      this.shape = shape;
      const { stage } = selection;
      selection.reset(stage);
      this.player.play(false);
    }
    const roles = this.roles[selection.stage];
    sayIn(this.title, scene.title);
    this.drawChoices();
    first.update(index, roles, this.beside !== null);
    if (this.beside) {
      if (!this.second) {
        this.second = new EquationView(this.store, selection);
        this.watch?.(this.second);
      }
      this.second.update(this.beside, roles, true);
      this.equations.append(this.second.element);
    } else this.second?.element.remove();
    this.drawShades();
    this.player.offer(this.beside !== null);
    this.player.update(this.walked);
    // A piece of the playground in a page of its own may come without matrices.
    this.tabs.offer(this.matrix.element, this.store.canEdit || Boolean(this.store.answer?.matrices));
    this.matrix.update(index, this.beside, this.store.answer?.matrices?.stages?.[selection.stage] ?? null, roles);
    this.fitted = 0;
    this.fit();
    this.light(true);
  }

  /** What the player goes through. */
  get walked() {
    return /** @type {StageIndex} */ (this.equationOf(null).index);
  }

  /** @param {string} reading of two the one whose steps the player takes */
  walkThrough(reading) {
    this.player.play(false);
    this.player.reading = reading;
    this.selection.reset(this.selection.stage);
    this.player.update(this.walked);
    this.light();
  }

  get shownEquations() {
    return this.beside && this.second ? [this.first, this.second] : [this.first];
  }

  /** Shading by value: as somebody wants it, else where the input is more of a picture than of numbers. */
  drawShades() {
    const isPicture = (this.index?.inputCells ?? 0) >= PICTURE_CELLS || PICTURES.includes(namedIn(this.store.state?.x));
    const isOn = this.isShaded ?? isPicture;
    this.element.toggleAttribute("data-shades", isOn);
    // Of a picture what is large is bright.
    const values = this.index?.stage.input.values.flat() ?? [];
    const isBright = isOn && isPicture && !values.some((value) => shadeNumber(value) < 0);
    for (const equation of this.shownEquations) {
      equation.input.element.toggleAttribute("data-picture", isBright);
      for (const view of equation.panels) view.shade(isOn);
    }
    this.shades.setAttribute("aria-pressed", String(isOn));
  }

  /**
   * Show another stage; a pinned cell that both share stays pinned: the output of one is the input of the next.
   * @param {number} stage
   */
  goToStage(stage) {
    const { selection } = this;
    const { pinned } = selection;
    const { index } = this.equationOf(pinned);
    const step = stage - selection.stage;
    const isShared = pinned && ((step === 1 && pinned.grid === "output") || (step === -1 && pinned.grid === "input"));
    const flat = isShared && index ? flatOf(index, pinned) : -1;
    selection.reset(stage);
    this.player.play(false);
    this.shape = "";
    this.showStage();
    if (flat < 0 || !this.index) return;
    const [cells, places] = step > 0 ? [this.index.inputCells, this.index.inputPlace] : [this.index.outputCells, this.index.outputPlace];
    selection.pin({ grid: step > 0 ? "input" : "output", channel: Math.floor(flat / cells), place: places[flat % cells], reading: this.index.stage.reading });
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
    const offered = this.store.canEdit ? Object.keys(CHOICES) : /** @type {string[]} */ (link.varying?.reading ?? []);
    this.readings.hidden = !stage.is_transposed || !offered.length;
    if (!this.readings.hidden && this.readings.childElementCount === 0) {
      for (const [reading, words] of Object.entries(CHOICES)) {
        if (!offered.includes(reading) && !(reading === "scatter" && offered.includes("auto"))) continue;
        const button = buttonOf({ "data-reading": reading }, words);
        button.addEventListener("click", () => this.store.change({ reading: offered.includes(reading) ? reading : "auto" }));
        this.readings.append(button);
      }
    }
    const shown = this.beside ? "both" : stage.reading;
    for (const button of this.readings.children) button.setAttribute("aria-pressed", String(button.getAttribute("data-reading") === shown));
    this.note.hidden = !stage.is_transposed || this.beside !== null;
    sayIn(this.note, READINGS[stage.reading]);
  }

  /** Give cells as many pixels as there is room for; whether that has changed. */
  fit() {
    const width = Math.floor(this.width);
    if (!this.index || !width || this.fitted === width) return false;
    this.fitted = width;
    const shown = this.shownEquations;
    const isSplit = shown.length > 1 && width >= LEAST_PAIR;
    this.equations.toggleAttribute("data-split", isSplit);
    const measured = shown.map((equation) => equation.measure(isSplit ? (width - PAIR_GAP) / 2 : width, isSplit));
    // Beside each other the same cell is of the same size, and stands at the same height.
    const cell = Math.min(...measured.map((sizes) => sizes.cell));
    const kernel = Math.min(...measured.map((sizes) => sizes.kernel));
    const isWide = measured.every((sizes) => sizes.isWide);
    const isBeside = !isWide && measured.every((sizes) => sizes.isBeside || sizes.isWide);
    shown.forEach((equation, number) => equation.resize({ ...measured[number], cell, kernel, isWide, isBeside }));
    this.element.toggleAttribute("data-wide", isSplit || isWide);
    const index = this.walked;
    const terms = lightsOf(index, this.player.itemOf(0), -1).products.length;
    const lines = Math.ceil(((terms || 1) * (index.isScatter ? 150 : 62)) / (width - 40)) + (isSplit || isWide ? 0 : 1);
    this.formula.element.style.setProperty("--lines", String(Math.min(Math.max(lines, 2), 4)));
    this.working.width = width;
    this.working.reserve(shown.map((equation) => /** @type {StageIndex} */ (equation.index)));
    return true;
  }

  /**
   * Show what is lit, everywhere.
   * @param {boolean} [isNew] whether cells have come
   */
  light(isNew = false) {
    const { selection } = this;
    if (!this.index) return;
    const { item, pinned, hovered } = selection;
    const own = this.equationOf(item);
    const index = /** @type {StageIndex} */ (own.index);
    const made = item === selection.stepped ? selection.made : -1;
    // What is pointed at while something is pinned stands out among its products.
    if (pinned && hovered) {
      const other = counterpartOf(hovered, /** @type {StageIndex} */ (this.equationOf(hovered).index), index);
      selection.product = other ? sharedProduct(index, pinned, other) : -1;
    }
    own.light(item, selection.product, made, index === this.walked, isNew);
    const { lit } = own;
    this.lit = lit;
    for (const equation of this.shownEquations) {
      if (equation === own || !equation.index) continue;
      const same = item && counterpartOf(item, index, equation.index);
      equation.light(same, counterpartProduct(lit.now, index, equation.index), -1, equation.index === this.walked, isNew);
    }
    this.formula.show(index, lit);
    if (this.tabs.isOpen(this.working.element)) this.working.show(index, lit, this.roles[selection.stage]);
    if (this.tabs.isOpen(this.table.element)) this.table.show(index, lit);
    if (this.tabs.isOpen(this.matrix.element)) this.matrix.light(this.matrix.index === this.second?.index ? this.second.lit : this.first.lit);
    this.player.draw();
  }

  /**
   * What is shown, for a still of it: how far the player has come, null where everything is computed, and what is held, or else the player's
   * cell; in the reading that the player goes through.
   */
  get moment() {
    const { stage, frame, made, isPartial, pinned, stepped } = this.selection;
    const pin = pinned && counterpartOf(pinned, /** @type {StageIndex} */ (this.equationOf(pinned).index), this.walked);
    return {
      reading: this.beside ? this.walked.stage.reading : null,
      at: { stage, frame: isPartial ? frame : null, made: isPartial && made >= 0 ? made : null, item: pin ?? stepped },
    };
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
 * What a selection refers to.
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
 * @returns {{destroy(): void, readonly moment: {reading: string | null, at: object}}}
 */
export function makeViews(root, store, options = {}) {
  return new ExplorerViews(root, store, options);
}
