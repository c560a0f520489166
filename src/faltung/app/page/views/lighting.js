/**
 * What an item lights on every grid: the products that it takes part in, looked up, and the cells that they name.
 */
import { isSameItem } from "../selection.js";
import { placesOf } from "./scene.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("../selection.js").Item} Item */
/** @typedef {"on" | "chief" | "source" | "now"} Light */
/**
 * @typedef {object} Lit
 * @property {ArrayLike<number>} products that the item takes part in
 * @property {Map<number, Set<Light>>} input by channel * places + place
 * @property {Map<number, Set<Light>>} output the same
 * @property {Map<number, Set<Light>>} kernel by flat index of the weight
 * @property {Map<number, Set<Light>>} bias by channel
 * @property {{channels: Set<number>, places: number[]} | null} window on the grid under it
 * @property {number} step whose window it is; -1: none
 * @property {number} now the product that stands out; -1: none
 */

/**
 * @param {StageIndex} index
 * @param {Item} item
 * @returns {ArrayLike<number>}
 */
export function productsOf(index, item) {
  if (item.grid === "kernel") return index.byWeight.of(item.place);
  if (item.grid === "bias") return new Int32Array(0);
  const grid = index.stage[item.grid];
  const cells = item.grid === "input" ? index.inputCells : index.outputCells;
  const source = grid.sources[item.place];
  // A copy in the border stands for itself; the cell itself for all its copies.
  if (source < 0 || grid.origins[item.place] !== item.grid) {
    return grid === index.under ? index.byPlace.of(item.channel * placesOf(grid) + item.place) : new Int32Array(0);
  }
  return (item.grid === "input" ? index.byInput : index.byOutput).of(item.channel * cells + source);
}

/**
 * The first product of an item in which another one takes part; -1: none.
 * @param {StageIndex} index
 * @param {Item} item
 * @param {Item} other
 */
export function sharedProduct(index, item, other) {
  if (isSameItem(item, other)) return -1;
  const others = new Set(Array.from(productsOf(index, other)));
  const products = productsOf(index, item);
  for (let number = 0; number < products.length; number++) if (others.has(products[number])) return products[number];
  return -1;
}

/**
 * @param {StageIndex | null} index
 * @param {Item | null} item
 * @param {number} pointed one product that stands out; -1: none
 * @param {number} [made] how many products are made; -1: all
 * @returns {Lit}
 */
export function lightsOf(index, item, pointed, made = -1) {
  /** @type {Lit} */
  const lit = { products: new Int32Array(0), input: new Map(), output: new Map(), kernel: new Map(), bias: new Map(), window: null, step: -1, now: -1 };
  if (!item || !index) return lit;
  const { stage, under } = index;
  const inputPlaces = placesOf(stage.input);
  const outputPlaces = placesOf(stage.output);
  lit.products = productsOf(index, item);
  const now = made > 0 ? lit.products[made - 1] : pointed;
  lit.now = now;
  for (let number = 0; number < lit.products.length; number++) {
    const product = lit.products[number];
    const isNow = product === now;
    const inputPlace = index.isScatter ? index.inputPlace[index.input[product] % index.inputCells] : index.place[product];
    const outputPlace = index.isScatter ? index.place[product] : index.outputPlace[index.output[product] % index.outputCells];
    mark(lit.input, index.ic[product] * inputPlaces + inputPlace, isNow);
    mark(lit.output, index.oc[product] * outputPlaces + outputPlace, isNow);
    mark(lit.kernel, index.weight[product], isNow);
    const source = under.sources[index.place[product]];
    const own = source < 0 ? -1 : (index.isScatter ? index.outputPlace : index.inputPlace)[source];
    if (own >= 0 && own !== index.place[product]) {
      const key = index.isScatter ? index.oc[product] * outputPlaces + own : index.ic[product] * inputPlaces + own;
      light(index.isScatter ? lit.output : lit.input, key, "source");
    }
  }
  if (item.grid === "kernel") light(lit.kernel, item.place, "chief");
  else if (item.grid === "bias") {
    light(lit.bias, item.channel, "chief");
    for (const place of index.outputPlace) light(lit.output, item.channel * outputPlaces + place, "on");
  } else {
    const grid = stage[item.grid];
    light(lit[item.grid], item.channel * placesOf(grid) + item.place, "chief");
    const source = grid.sources[item.place];
    const own = source < 0 ? -1 : (item.grid === "input" ? index.inputPlace : index.outputPlace)[source];
    if (own >= 0 && own !== item.place) light(lit[item.grid], item.channel * placesOf(grid) + own, "source");
    if (item.grid === "output" && stage.kernel.bias) light(lit.bias, item.channel, "on");
    if (grid === index.focusGrid && source >= 0) lit.step = index.stepOfFocus[source];
  }
  if (lit.step >= 0 && item.grid !== "kernel") {
    const channels = new Set();
    for (let number = 0; number < lit.products.length; number++) channels.add(index.isScatter ? index.oc[lit.products[number]] : index.ic[lit.products[number]]);
    lit.window = { channels, places: stage.steps.windows[lit.step] };
  }
  return lit;
}

/**
 * @param {Map<number, Set<Light>>} lights
 * @param {number} key
 * @param {boolean} isNow
 */
function mark(lights, key, isNow) {
  light(lights, key, "on");
  if (isNow) light(lights, key, "now");
}

/**
 * @param {Map<number, Set<Light>>} lights
 * @param {number} key
 * @param {Light} kind
 */
function light(lights, key, kind) {
  const found = lights.get(key);
  if (found) found.add(kind);
  else lights.set(key, new Set([kind]));
}

/** Puts lights on cells, and off those that had them before. */
export class LampBoard {
  constructor() {
    /** @type {Map<number, HTMLElement>} */
    this.cells = new Map();
    /** @type {Map<number, string>} */
    this.lit = new Map();
  }

  /** @param {Map<number, Set<Light>>} lights */
  show(lights) {
    for (const key of this.lit.keys()) if (!lights.has(key)) this.cells.get(key)?.removeAttribute("data-lit");
    const next = new Map();
    for (const [key, kinds] of lights) {
      const text = [...kinds].join(" ");
      next.set(key, text);
      if (this.lit.get(key) !== text) this.cells.get(key)?.setAttribute("data-lit", text);
    }
    this.lit = next;
  }

  /** Forget the cells, which are gone. */
  clear() {
    this.cells.clear();
    this.lit.clear();
  }
}
