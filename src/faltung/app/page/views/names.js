/**
 * What cells are called, for screen readers and for who points at them.
 *
 * A thousand names take longer than a thousand numbers. So they are given when the browser has nothing else to do, and at once to a cell
 * that somebody comes to.
 */

const LATEST_MS = 500;

/** The names of the cells of one panel. */
export class CellNames {
  /**
   * @param {Map<number, HTMLElement>} cells
   * @param {(key: number) => string} nameOf
   */
  constructor(cells, nameOf) {
    this.cells = cells;
    this.nameOf = nameOf;
    /** @type {Set<number>} Keys of cells whose names are no longer right. */
    this.waiting = new Set();
    this.isPlanned = false;
  }

  /** @param {number} key of a cell that holds something else now */
  renew(key) {
    this.waiting.add(key);
    if (this.isPlanned) return;
    this.isPlanned = true;
    if (window.requestIdleCallback) window.requestIdleCallback((deadline) => this.giveSome(deadline), { timeout: LATEST_MS });
    else window.setTimeout(() => this.giveSome(null), LATEST_MS / 10);
  }

  /**
   * Give a cell its name.
   * @param {number} key
   * @returns {string} the name
   */
  give(key) {
    const cell = this.cells.get(key);
    if (!cell) return "";
    if (!this.waiting.delete(key)) return cell.getAttribute("aria-label") ?? "";
    const name = this.nameOf(key);
    cell.setAttribute("aria-label", name);
    if (cell.title) cell.title = name;
    return name;
  }

  /** @param {IdleDeadline | null} deadline null: all at once */
  giveSome(deadline) {
    this.isPlanned = false;
    for (const key of this.waiting) {
      this.give(key);
      if (deadline && !deadline.didTimeout && deadline.timeRemaining() < 1) break;
    }
    const [next] = this.waiting;
    if (next !== undefined) this.renew(next);
  }

  /** Forget the cells, which are gone. */
  clear() {
    this.waiting.clear();
  }
}
