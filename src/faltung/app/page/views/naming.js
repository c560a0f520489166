/**
 * How cells, weights and products are called: with the indices of the arrays, as `explain` has them.
 */
import { factorNumber, mediumNumber } from "./numbers.js";
import { unravel } from "./scene.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("../selection.js").Item} Item */

/**
 * @param {string} letter
 * @param {number[]} entries
 */
function indexed(letter, entries) {
  return `${letter}[${entries.map(mediumNumber).join(", ")}]`;
}

/**
 * @param {StageIndex} index
 * @param {number} flat channel * cells + cell
 */
export function inputName(index, flat) {
  return indexed("x", [Math.floor(flat / index.inputCells), ...unravel(flat % index.inputCells, index.stage.input.size)]);
}

/**
 * @param {StageIndex} index
 * @param {number} flat channel * cells + cell
 */
export function outputName(index, flat) {
  return indexed("y", [Math.floor(flat / index.outputCells), ...unravel(flat % index.outputCells, index.stage.output.size)]);
}

/**
 * @param {StageIndex} index
 * @param {number} weight
 */
export function weightName(index, weight) {
  return indexed("w", unravel(weight, index.stage.kernel.shape));
}

/**
 * Channel * cells + cell of an item on a grid; -1 where it is no cell of its own and no copy of one.
 * @param {StageIndex} index
 * @param {Item} item
 */
export function flatOf(index, item) {
  if (item.grid !== "input" && item.grid !== "output") return -1;
  const source = index.stage[item.grid].sources[item.place];
  const cells = item.grid === "input" ? index.inputCells : index.outputCells;
  return source < 0 ? -1 : item.channel * cells + source;
}

/**
 * The name of an item and its value.
 * @param {StageIndex} index
 * @param {Item} item
 */
export function itemName(index, item) {
  if (item.grid === "kernel") return weightName(index, item.place);
  if (item.grid === "bias") return `b[${item.channel}]`;
  const flat = flatOf(index, item);
  if (flat < 0) return index.stage[item.grid].origins[item.place] === "cropped" ? "a cropped place" : "a zero of the border";
  return item.grid === "input" ? inputName(index, flat) : outputName(index, flat);
}

/**
 * @param {StageIndex} index
 * @param {Item} item
 * @returns {import("./numbers.js").CellValue}
 */
export function itemValue(index, item) {
  if (item.grid === "kernel") return index.weights[item.place];
  if (item.grid === "bias") return index.stage.kernel.bias?.[item.channel] ?? null;
  const flat = flatOf(index, item);
  if (flat < 0) return index.stage[item.grid].origins[item.place] === "cropped" ? null : 0;
  return item.grid === "input" ? index.stage.input.values[item.channel][flat % index.inputCells] : index.results[flat];
}

/**
 * A product with numbers: 3 · (−1).
 * @param {StageIndex} index
 * @param {number} product
 */
export function productNumbers(index, product) {
  return `${factorNumber(index.inputValue(product))}·${factorNumber(index.weightValue(product))}`;
}

/**
 * A product with indices: x[0, 1, 2]·w[0, 0, 1, 1].
 * @param {StageIndex} index
 * @param {number} product
 */
export function productNames(index, product) {
  const input = index.input[product];
  return `${input < 0 ? "0" : inputName(index, input)}·${weightName(index, index.weight[product])}`;
}
