/**
 * The player: it goes through the cells one after the other, or product by product.
 */
import { buttonOf, iconOf, nodeOf, sayIn } from "./nodes.js";
import { productsOf } from "./lighting.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("../selection.js").Selection} Selection */

const PATHS = {
  first: "M3 3h2v10H3zM13 3v10L6 8z",
  back: "M11.5 3v10L4.5 8z",
  play: "M4.5 2.5v11L13 8z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  forward: "M4.5 3v10l7-5z",
  last: "M11 3h2v10h-2zM3 3v10l7-5z",
};

const SPEEDS = [0.5, 1, 2, 4, 8];
const WAIT = 900;

/** Buttons, slider, speed. */
export class PlayerView {
  /** @param {Selection} selection */
  constructor(selection) {
    this.selection = selection;
    /** @type {StageIndex | null} */
    this.index = null;
    this.timer = 0;
    this.byProduct = false;
    this.toggle = buttonOf({ class: "views-go", "data-do": "toggle", "aria-label": "Play" }, iconOf(PATHS.play));
    this.slider = nodeOf("input", { type: "range", min: 1, max: 1, step: 1, "aria-label": "Step" });
    this.count = nodeOf("span", { class: "views-count" });
    this.speed = nodeOf("select", { "aria-label": "Speed" }, ...SPEEDS.map((speed) => nodeOf("option", { value: speed, selected: speed === 1 }, `${speed}×`)));
    this.fine = buttonOf({ class: "views-switch", "aria-pressed": "false", title: "One product at a time, with the running sum" }, "by product");
    /** @param {keyof typeof PATHS} name @param {string} label */
    const button = (name, label) => buttonOf({ "data-do": name, "aria-label": label, title: label }, iconOf(PATHS[name]));
    /** Of two readings beside each other the one whose steps these are. */
    this.reading = "scatter";
    this.readings = nodeOf(
      "select",
      { "aria-label": "Steps of", hidden: true },
      nodeOf("option", { value: "scatter" }, "stamp by stamp"),
      nodeOf("option", { value: "gather" }, "window by window"),
    );
    this.element = nodeOf(
      "div",
      { class: "views-player", role: "group", "aria-label": "Player" },
      nodeOf("div", { class: "views-buttons" }, button("first", "First step"), button("back", "Step back"), this.toggle, button("forward", "Step forward"), button("last", "Last step")),
      this.slider,
      this.count,
      this.readings,
      this.fine,
      this.speed,
    );
    this.stillness = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.element.addEventListener("click", (event) => {
      const pressed = event.target instanceof Element ? event.target.closest("[data-do]") : null;
      if (pressed) this.act(pressed.getAttribute("data-do") ?? "");
    });
    this.slider.addEventListener("input", () => {
      this.play(false);
      this.go(Number(this.slider.value) - 1, -1);
    });
    this.fine.addEventListener("click", () => this.setFine(!this.byProduct));
    this.speed.addEventListener("change", () => this.wait());
  }

  /** @param {boolean} isPaired whether there are the steps of two readings to choose from */
  offer(isPaired) {
    this.readings.hidden = !isPaired;
  }

  /** @param {StageIndex} index */
  update(index) {
    this.index = index;
    this.slider.max = String(Math.max(index.frames, 1));
    if (this.selection.frame >= index.frames) this.selection.frame = 0;
    // Of a scatter no stamp is shown before somebody steps: beside the sums at the end it would mislead.
    this.selection.stepped = this.isIdle && index.isScatter ? null : this.itemOf(this.selection.frame);
    this.draw();
  }

  /**
   * What a frame computes or stamps.
   * @param {number} frame
   * @returns {import("../selection.js").Item | null}
   */
  itemOf(frame) {
    const { index } = this;
    if (!index || !index.frames) return null;
    const { step, channel } = index.ofFrame(frame);
    const { reading, steps } = index.stage;
    const focus = steps.focus[step];
    return index.isScatter
      ? { grid: "input", channel, place: index.inputPlace[focus], reading }
      : { grid: "output", channel, place: index.outputPlace[focus], reading };
  }

  /**
   * How many products a frame has.
   * @param {number} frame
   */
  productsIn(frame) {
    const item = this.itemOf(frame);
    return item && this.index ? productsOf(this.index, item).length : 0;
  }

  /**
   * Show a frame: the outputs of later ones are hidden.
   * @param {number} frame
   * @param {number} made products; -1: all
   * @param {boolean} [isWhole] whether to show every output
   */
  go(frame, made, isWhole = false) {
    const { selection, index } = this;
    if (!index || !index.frames) return;
    selection.frame = Math.min(Math.max(frame, 0), index.frames - 1);
    selection.made = made;
    selection.isPartial = !isWhole && !(selection.frame === index.frames - 1 && made < 0);
    selection.stepped = this.itemOf(selection.frame);
    selection.hovered = selection.focused = selection.pinned = null;
    selection.product = -1;
    selection.tell();
  }

  /** Whether nobody has stepped yet: the output is whole, whatever the frame. */
  get isIdle() {
    const { selection, index } = this;
    return !selection.isPartial && selection.frame < (index?.frames ?? 0) - 1;
  }

  forward() {
    if (this.isIdle) return this.go(0, this.byProduct && this.productsIn(0) > 1 ? 1 : -1);
    const { frame, made } = this.selection;
    const last = (this.index?.frames ?? 0) - 1;
    if (!this.byProduct) return frame < last ? this.go(frame + 1, -1) : undefined;
    const count = this.productsIn(frame);
    if (made >= 0 && made < count) return this.go(frame, made + 1 === count ? -1 : made + 1);
    if (frame < last) this.go(frame + 1, this.productsIn(frame + 1) > 1 ? 1 : -1);
  }

  back() {
    const { frame, made } = this.selection;
    if (!this.byProduct) return this.go(made >= 0 ? frame : frame - 1, -1);
    const now = made < 0 ? this.productsIn(frame) : made;
    if (now > 1) return this.go(frame, now - 1);
    if (frame > 0) this.go(frame - 1, -1);
  }

  /** @param {string} action */
  act(action) {
    const last = (this.index?.frames ?? 1) - 1;
    if (action === "toggle") return this.play(!this.selection.isPlaying);
    this.play(false);
    if (action === "first") this.go(0, this.byProduct ? 1 : -1);
    else if (action === "last") this.go(last, -1);
    else if (action === "back") this.back();
    else this.forward();
  }

  /** @param {boolean} wanted */
  play(wanted) {
    const { selection, index } = this;
    if (selection.isPlaying === wanted || !index || !index.frames) return;
    selection.isPlaying = wanted;
    if (wanted) {
      const isAtEnd = selection.frame === index.frames - 1 && selection.made < 0;
      const isFresh = !selection.isPartial;
      this.go(isAtEnd || isFresh ? 0 : selection.frame, this.byProduct && (isAtEnd || isFresh) ? 1 : selection.made);
    } else selection.tell();
    this.draw();
    this.wait();
  }

  wait() {
    window.clearTimeout(this.timer);
    if (this.selection.isPlaying) this.timer = window.setTimeout(() => this.tick(), WAIT / Number(this.speed.value));
  }

  tick() {
    const { selection, index } = this;
    if (!this.element.isConnected || !index || !selection.isPlaying) return;
    if (selection.frame === index.frames - 1 && selection.made < 0) return this.play(false);
    this.forward();
    this.wait();
  }

  /** @param {boolean} wanted */
  setFine(wanted) {
    this.byProduct = wanted;
    this.fine.setAttribute("aria-pressed", String(wanted));
    if (!wanted && this.selection.made >= 0) this.go(this.selection.frame, -1);
    else if (wanted && !this.selection.isPlaying) this.go(this.selection.frame, this.productsIn(this.selection.frame) > 1 ? 1 : -1);
  }

  draw() {
    const { selection, index } = this;
    const frames = index?.frames ?? 0;
    this.slider.value = String(selection.frame + 1);
    this.slider.disabled = frames < 2;
    const product = selection.made >= 0 ? `, product ${selection.made}` : "";
    this.slider.setAttribute("aria-valuetext", this.isIdle ? `all ${frames} steps` : `${selection.frame + 1} of ${frames}${product}`);
    sayIn(this.count, this.isIdle ? `all ${frames} steps` : `step ${selection.frame + 1} / ${frames}`);
    if (this.toggle.getAttribute("aria-label") !== (selection.isPlaying ? "Pause" : "Play")) {
      this.toggle.setAttribute("aria-label", selection.isPlaying ? "Pause" : "Play");
      this.toggle.replaceChildren(iconOf(selection.isPlaying ? PATHS.pause : PATHS.play));
    }
  }

  /**
   * Space and arrows, where no field or cell takes them.
   * @param {KeyboardEvent} event
   */
  press(event) {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const target = event.composedPath()[0];
    if (target instanceof Element && target.closest("input, select, textarea, summary, [contenteditable], [role=tab]")) return;
    if (event.key === " " && target instanceof Element && target.closest("button, a")) return;
    const action = { " ": "toggle", ArrowLeft: "back", ArrowRight: "forward", Home: "first", End: "last" }[event.key];
    if (!action) return;
    event.preventDefault();
    this.act(action);
  }
}
