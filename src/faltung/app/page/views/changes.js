/**
 * Changes of numbers: of a cell that is edited, of cells that are painted. The store asks what comes of them.
 */
import { openEditor, withNumber } from "./editor.js";
import { placesOf, unravel } from "./scene.js";

/** @typedef {import("../store.js").Store} Store */
/** @typedef {import("../selection.js").Item} Item */
/** @typedef {import("./scene.js").StageIndex} StageIndex */

/** What can be edited, and how a number finds its place in the state. */
export class NumberChanges {
  /**
   * @param {Store} store
   * @param {import("../selection.js").Selection} selection
   * @param {() => StageIndex} index of the stage that is shown
   * @param {{input: Map<number, HTMLElement>, kernel: Map<number, HTMLElement>, bias: Map<number, HTMLElement>}} cells
   */
  constructor(store, selection, index, cells) {
    this.store = store;
    this.selection = selection;
    this.index = index;
    this.cells = cells;
  }

  /**
   * Whether the value of an item can be changed.
   * @param {Item} item
   */
  allows(item) {
    return this.store.canEdit && item.grid !== "output" && (item.grid !== "input" || this.selection.stage === 0);
  }

  /**
   * Open an editor on an item.
   * @param {Item} item
   * @param {string | null} typed what was typed already
   * @returns {boolean} whether there is one
   */
  edit(item, typed) {
    if (!this.allows(item)) return false;
    if (item.grid === "input") return this.editInput(item, typed);
    return item.grid === "kernel" ? this.editWeight(item.place, typed) : this.editBias(item.channel, typed);
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

  /**
   * @param {Map<number, number>} strokes values by key of the cell
   */
  paintCells(strokes) {
    const index = this.index();
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
    const index = this.index();
    const { input } = index.stage;
    const source = input.sources[item.place];
    if (source < 0 || this.selection.stage !== 0 || !this.numbersOf("x", 0)) return false;
    const cell = this.cells.input.get(item.channel * placesOf(input) + index.inputPlace[source]);
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
    const index = this.index();
    const cell = this.cells.kernel.get(weight);
    const at = unravel(weight, index.stage.kernel.shape);
    return this.editStage(cell, index.weights[weight], typed, "weight", at);
  }

  /**
   * @param {number} channel
   * @param {string | null} typed
   */
  editBias(channel, typed) {
    const { stage } = this.index();
    return this.editStage(this.cells.bias.get(channel), stage.kernel.bias?.[channel] ?? null, typed, "bias_values", [channel]);
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
}

/**
 * The lengths of nested lists.
 * @param {any} nested
 * @returns {string}
 */
function extentsOf(nested) {
  return Array.isArray(nested) ? `${nested.length} ${extentsOf(nested[0])}` : "";
}
