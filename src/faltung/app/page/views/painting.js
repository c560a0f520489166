/**
 * Painting on the input: while it is on, a drag sets every cell that it passes to the chosen number.
 */
import { nodeOf } from "./nodes.js";
import { switchOf } from "./grid.js";
import { readNumber } from "./numbers.js";

/** The brush and its switch. */
export class PaintTool {
  /**
   * @param {HTMLElement} panel that holds the cells
   * @param {Map<number, HTMLElement>} cells
   * @param {(strokes: Map<number, number>) => void} paint the cells of a stroke so far, by key
   */
  constructor(panel, cells, paint) {
    this.toggle = switchOf("Paint", "Drag over the input to set cells to this number");
    this.field = nodeOf("input", { type: "text", inputmode: "decimal", class: "views-brush", value: "1", "aria-label": "Number that is painted", hidden: true });
    this.element = nodeOf("div", { class: "views-paint" }, this.toggle, this.field);
    this.isOn = false;
    /** @type {Map<number, number>} */
    this.stroke = new Map();
    this.pending = 0;
    this.pointer = -1;
    this.last = -1;
    const send = () => {
      this.pending = 0;
      if (this.stroke.size) paint(new Map(this.stroke));
    };
    /** @param {number} key */
    const touch = (key) => {
      const value = readNumber(this.field.value);
      if (key < 0 || value === null || !cells.has(key) || key === this.last) return;
      this.last = key;
      this.stroke.set(key, value);
      if (!this.pending) this.pending = requestAnimationFrame(send);
    };
    /** @param {PointerEvent} event */
    const under = (event) => {
      const root = /** @type {Document | ShadowRoot} */ (panel.getRootNode());
      const cell = root.elementFromPoint(event.clientX, event.clientY)?.closest("[data-key]");
      return cell instanceof HTMLElement && panel.contains(cell) ? Number(cell.dataset.key) : -1;
    };
    this.toggle.addEventListener("click", () => this.set(!this.isOn, panel));
    this.field.addEventListener("input", () => this.field.toggleAttribute("aria-invalid", readNumber(this.field.value) === null));
    panel.addEventListener("pointerdown", (event) => {
      if (!this.isOn || event.button !== 0 || under(event) < 0) return;
      event.preventDefault();
      this.stroke.clear();
      this.last = -1;
      this.pointer = event.pointerId;
      panel.setPointerCapture(event.pointerId);
      touch(under(event));
    });
    panel.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.pointer) return;
      for (const between of event.getCoalescedEvents?.() ?? [event]) touch(under(between));
      touch(under(event));
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId === this.pointer) this.pointer = -1;
    };
    panel.addEventListener("pointerup", end);
    panel.addEventListener("pointercancel", end);
    panel.addEventListener(
      "keydown",
      (event) => {
        const cell = event.target instanceof Element ? event.target.closest("[data-key]") : null;
        if (!this.isOn || event.key !== " " || !(cell instanceof HTMLElement)) return;
        event.preventDefault();
          this.stroke.clear();
        this.last = -1;
        touch(Number(cell.dataset.key));
      },
      true,
    );
  }

  /**
   * @param {boolean} isOn
   * @param {HTMLElement} panel
   */
  set(isOn, panel) {
    this.isOn = isOn;
    this.field.hidden = !isOn;
    this.toggle.setAttribute("aria-pressed", String(isOn));
    panel.toggleAttribute("data-painting", isOn);
  }
}
