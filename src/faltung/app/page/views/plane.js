/**
 * Rows and columns of cells that grow and shrink at their ends.
 */
import { nodeOf } from "./nodes.js";

/** A slice of a channel, with the frame around the window on it. */
export class CellPlane {
  /**
   * @param {string} label
   * @param {string} role
   */
  constructor(label, role) {
    this.frame = nodeOf("div", { class: "views-frame", hidden: true });
    this.table = nodeOf("div", { class: "views-grid", role: "grid", "aria-label": label });
    this.tile = nodeOf("div", { class: `views-tile views-role-${role}` }, nodeOf("div", { class: "views-sheet" }, this.table, this.frame));
    /** Rows and columns: where they begin, and where they have ended. */
    this.ends = [[0, 0], [0, 0]];
  }

  /**
   * Have cells from here to there; those that were there before stay.
   * @param {number[][]} ends of rows and of columns
   * @returns {HTMLElement[]} all cells, row by row
   */
  resize(ends) {
    const [rows, columns] = ends;
    this.tile.style.setProperty("--rows", String(rows[1] - rows[0]));
    this.tile.style.setProperty("--columns", String(columns[1] - columns[0]));
    /** @type {HTMLElement[]} */
    const kept = [];
    const usual = nodeOf("div", { class: "views-cell", role: "gridcell", tabindex: -1 });
    stretch(this.table, this.ends[0], rows, () => nodeOf("div", { class: "views-row", role: "row" }));
    for (const line of this.table.children) {
      stretch(line, line.childElementCount ? this.ends[1] : [columns[0], columns[0]], columns, () => /** @type {HTMLElement} */ (usual.cloneNode()));
      for (const cell of line.children) kept.push(/** @type {HTMLElement} */ (cell));
    }
    this.ends = ends;
    return kept;
  }
}

/**
 * Take children away at both ends, or add some.
 * @param {Element} parent
 * @param {number[]} before where they begin and end
 * @param {number[]} after where they shall
 * @param {() => HTMLElement} make
 */
function stretch(parent, before, after, make) {
  // Without anything in common nothing stays.
  if (before[1] <= after[0] || after[1] <= before[0]) {
    parent.replaceChildren();
    before = [after[0], after[0]];
  }
  const made = (/** @type {number} */ count) => Array.from({ length: Math.max(count, 0) }, make);
  for (let extra = after[0] - before[0]; extra > 0; extra--) parent.firstElementChild?.remove();
  for (let extra = before[1] - after[1]; extra > 0; extra--) parent.lastElementChild?.remove();
  parent.prepend(...made(before[0] - after[0]));
  parent.append(...made(after[1] - before[1]));
}
