/**
 * The same cell, and the same product, in the other reading of a transposed convolution: looked up by what both name alike.
 */
import { flatOf } from "./naming.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("../selection.js").Item} Item */

/**
 * An item with the places of another reading; null where that one does not have it, as an inserted zero.
 * @param {Item} item
 * @param {StageIndex} from
 * @param {StageIndex} to
 * @returns {Item | null}
 */
export function counterpartOf(item, from, to) {
  if (from === to || (item.grid !== "input" && item.grid !== "output")) return item;
  const flat = flatOf(from, item);
  if (flat < 0) return null;
  const [places, cells] = item.grid === "input" ? [to.inputPlace, to.inputCells] : [to.outputPlace, to.outputCells];
  const place = places[flat % cells];
  return place < 0 ? null : { ...item, place, reading: to.stage.reading };
}

/**
 * The product of the same input, weight and output; -1 where it is not made, as with an inserted zero.
 * @param {number} product
 * @param {StageIndex} from
 * @param {StageIndex} to
 */
export function counterpartProduct(product, from, to) {
  if (from === to || product < 0) return product;
  const found = to.byOutput.of(from.output[product]).find((other) => to.weight[other] === from.weight[product] && to.input[other] === from.input[product]);
  return found ?? -1;
}
