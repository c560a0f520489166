/**
 * What can be done with the views, said in a fold below them.
 */
import { nodeOf } from "./nodes.js";

/**
 * What can be done here, in a fold at the end.
 * @param {boolean} edits
 */
export function helpOf(edits) {
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
