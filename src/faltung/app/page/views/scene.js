/**
 * The scene as it comes from Python, and an index over its products. Everything here is looked up; nothing is worked out.
 */

/** @typedef {import("./numbers.js").CellValue} CellValue */
/**
 * @typedef {object} GridColumns
 * @property {number} channels
 * @property {number[]} groups
 * @property {number[]} size
 * @property {number[]} first
 * @property {number[]} last
 * @property {string[]} origins
 * @property {number[]} sources
 * @property {number[]} used
 * @property {CellValue[][]} values
 */
/** @typedef {{shape: number[], groups: number[], dilation: number[], values: any, bias: CellValue[] | null}} KernelColumns */
/** @typedef {{oc: number[], ic: number[], tap: number[], weight: number[]}} PatternColumns */
/**
 * @typedef {object} StepColumns
 * @property {number[]} focus
 * @property {number[][]} windows
 * @property {number[]} pattern
 * @property {CellValue[][]} products
 * @property {CellValue[][]} sums
 * @property {[number, number, CellValue, CellValue][][]} writes
 */
/**
 * @typedef {object} StageColumns
 * @property {string} name
 * @property {string} spec
 * @property {string[]} kinds
 * @property {string} reading
 * @property {string} padding_mode
 * @property {boolean} is_transposed
 * @property {string[]} arithmetic
 * @property {GridColumns} input
 * @property {GridColumns} output
 * @property {KernelColumns} kernel
 * @property {PatternColumns[]} patterns
 * @property {StepColumns} steps
 */
/** @typedef {{version: number, title: string, stages: StageColumns[]}} SceneColumns */

/** Lists of numbers by key, in one array. */
class KeyedLists {
  /**
   * @param {number} keys
   * @param {Int32Array} keyOf the key of each entry; negative: in no list
   */
  constructor(keys, keyOf) {
    this.start = new Int32Array(keys + 1);
    for (const key of keyOf) if (key >= 0) this.start[key + 1]++;
    for (let key = 0; key < keys; key++) this.start[key + 1] += this.start[key];
    this.entries = new Int32Array(this.start[keys]);
    const next = this.start.slice();
    keyOf.forEach((key, entry) => {
      if (key >= 0) this.entries[next[key]++] = entry;
    });
  }

  /** @param {number} key */
  of(key) {
    return key >= 0 && key < this.start.length - 1 ? this.entries.subarray(this.start[key], this.start[key + 1]) : new Int32Array(0);
  }
}

/**
 * How many places a grid has, border included.
 * @param {GridColumns} grid
 */
export function placesOf(grid) {
  return grid.sources.length;
}

/**
 * Places along each axis, border included.
 * @param {GridColumns} grid
 */
export function shownSize(grid) {
  return grid.first.map((first, axis) => grid.last[axis] - first + 1);
}

/**
 * The entries of a flat index in C order.
 * @param {number} flat
 * @param {number[]} size
 */
export function unravel(flat, size) {
  const index = new Array(size.length);
  for (let axis = size.length - 1; axis >= 0; axis--) {
    index[axis] = flat % size[axis];
    flat = Math.floor(flat / size[axis]);
  }
  return index;
}

/** Every product of a stage, numbered step by step, and who takes part in it. */
export class StageIndex {
  /** @param {StageColumns} stage */
  constructor(stage) {
    const { steps, patterns, input, output } = stage;
    this.stage = stage;
    this.isScatter = stage.reading === "scatter";
    /** The grid under the window, and the one whose cells the steps go through. */
    this.under = this.isScatter ? output : input;
    this.focusGrid = this.isScatter ? input : output;
    this.inputCells = input.size.reduce((count, extent) => count * extent, 1);
    this.outputCells = output.size.reduce((count, extent) => count * extent, 1);
    this.taps = stage.kernel.shape.slice(2).reduce((count, extent) => count * extent, 1);
    const count = steps.products.reduce((sum, products) => sum + products.length, 0);
    this.count = count;
    this.start = new Int32Array(steps.focus.length + 1);
    this.step = new Int32Array(count);
    this.oc = new Int32Array(count);
    this.ic = new Int32Array(count);
    this.tap = new Int32Array(count);
    this.weight = new Int32Array(count);
    /** Of the product: the place of the grid under the window; its input and output as channel * cells + cell, -1 for a zero. */
    this.place = new Int32Array(count);
    this.input = new Int32Array(count);
    this.output = new Int32Array(count);
    const placeKey = new Int32Array(count);
    const places = placesOf(this.under);
    let next = 0;
    steps.focus.forEach((focus, step) => {
      const pattern = patterns[steps.pattern[step]];
      const at = steps.windows[step];
      for (let term = 0; term < pattern.weight.length; term++, next++) {
        const [oc, ic] = [pattern.oc[term], pattern.ic[term]];
        const place = at[pattern.tap[term]];
        const source = this.under.sources[place];
        this.step[next] = step;
        this.oc[next] = oc;
        this.ic[next] = ic;
        this.tap[next] = pattern.tap[term];
        this.weight[next] = pattern.weight[term];
        this.place[next] = place;
        this.input[next] = this.isScatter ? ic * this.inputCells + focus : source < 0 ? -1 : ic * this.inputCells + source;
        this.output[next] = oc * this.outputCells + (this.isScatter ? source : focus);
        placeKey[next] = (this.isScatter ? oc : ic) * places + place;
      }
      this.start[step + 1] = next;
    });
    const weights = stage.kernel.shape.reduce((product, extent) => product * extent, 1);
    this.byOutput = new KeyedLists(output.channels * this.outputCells, this.output);
    this.byInput = new KeyedLists(input.channels * this.inputCells, this.input);
    this.byWeight = new KeyedLists(weights, this.weight);
    this.byPlace = new KeyedLists(this.under.channels * places, placeKey);
    this.stepOfFocus = new Int32Array(this.isScatter ? this.inputCells : this.outputCells).fill(-1);
    steps.focus.forEach((focus, step) => (this.stepOfFocus[focus] = step));
    this.inputPlace = ownPlaces(input, "input", this.inputCells);
    this.outputPlace = ownPlaces(output, "output", this.outputCells);
    /** What stands in the output at the end. */
    this.results = output.values.flat();
    for (const writes of steps.writes) for (const [channel, cell, , value] of writes) this.results[channel * this.outputCells + cell] = value;
    /** Frames of the player: every cell that the steps go through, channel after channel. */
    this.frames = steps.focus.length * this.focusGrid.channels;
    /** Whether the first tap of the window is not the first weight: the kernel lies flipped. */
    this.isFlipped = patterns.some((pattern) => pattern.tap.some((tap, term) => tap === 0 && pattern.weight[term] % this.taps !== 0));
    this.weights = /** @type {CellValue[]} */ (stage.kernel.values.flat(Infinity));
  }

  /** @param {number} product */
  product(product) {
    const step = this.step[product];
    return this.stage.steps.products[step][product - this.start[step]];
  }

  /**
   * The sum of its output when this product has been added.
   * @param {number} product
   */
  sum(product) {
    const step = this.step[product];
    return this.stage.steps.sums[step][product - this.start[step]];
  }

  /** @param {number} product */
  inputValue(product) {
    const input = this.input[product];
    return input < 0 ? 0 : this.stage.input.values[this.ic[product]][input % this.inputCells];
  }

  /** @param {number} product */
  weightValue(product) {
    return this.weights[this.weight[product]];
  }

  /**
   * Why a product reads what it reads: the origin of its place on the input.
   * @param {number} product
   */
  origin(product) {
    return this.isScatter ? "input" : this.stage.input.origins[this.place[product]];
  }

  /**
   * The frame of the player in which a product is made.
   * @param {number} product
   */
  frame(product) {
    return this.step[product] * this.focusGrid.channels + (this.isScatter ? this.ic[product] : this.oc[product]);
  }

  /**
   * The frame in which a gather writes an output.
   * @param {number} flat channel * cells + cell
   */
  frameOfOutput(flat) {
    return this.stepOfFocus[flat % this.outputCells] * this.focusGrid.channels + Math.floor(flat / this.outputCells);
  }

  /**
   * The step and the channel of a frame.
   * @param {number} frame
   */
  ofFrame(frame) {
    const channels = this.focusGrid.channels;
    return { step: Math.floor(frame / channels), channel: frame % channels };
  }
}

/**
 * Where in the shown grid each cell itself stands.
 * @param {GridColumns} grid
 * @param {string} name
 * @param {number} cells
 */
function ownPlaces(grid, name, cells) {
  const found = new Int32Array(cells).fill(-1);
  grid.sources.forEach((source, place) => {
    if (source >= 0 && grid.origins[place] === name) found[source] = place;
  });
  return found;
}
