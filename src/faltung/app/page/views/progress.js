/**
 * What the output holds at a frame of the player: what is computed by then, and nothing of later.
 */
import { productsOf } from "./lighting.js";

/** @typedef {import("./numbers.js").CellValue} CellValue */

/**
 * The values of the output, channel after channel; undefined where none is computed yet.
 * @param {import("./scene.js").StageIndex} index
 * @param {import("../selection.js").Selection} selection
 * @returns {(CellValue | undefined)[]}
 */
export function outputsAt(index, selection) {
  if (!selection.isPartial) return index.results;
  const start = index.stage.output.values.flat();
  const now = selection.stepped && selection.made >= 0 ? Array.from(productsOf(index, selection.stepped)).slice(0, selection.made) : null;
  const made = now && new Set(now);
  return index.results.map((result, flat) => {
    const products = index.byOutput.of(flat);
    let [done, last] = [0, -1];
    for (const product of products) {
      const frame = index.frame(product);
      if (frame > selection.frame || (frame === selection.frame && made && !made.has(product))) break;
      done++;
      last = product;
    }
    const isReached = index.isScatter || products.length > 0 || index.frameOfOutput(flat) <= selection.frame;
    if (done === products.length && isReached) return result;
    return last >= 0 ? index.sum(last) : (start[flat] ?? undefined);
  });
}
