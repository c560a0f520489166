/**
 * The convolution as a product of matrices: im2col, and one large matrix with the weights along its diagonals.
 */
import { col2imPlan, im2colPlan, toeplitzPlan } from "./blocks.js";
import { buttonOf, nodeOf, sayIn } from "./nodes.js";
import { shadeNumber, shortNumber } from "./numbers.js";
import { MatrixColours } from "./colours.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("./blocks.js").MatrixPlan} MatrixPlan */
/** @typedef {import("../selection.js").Selection} Selection */
/** @typedef {{block: number, row: number, column: number}} MatrixPlace */

const KINDS = { im2col: "im2col", col2im: "col2im", toeplitz: "Toeplitz" };
const LARGEST = 26;
const SMALLEST = 3;
const MARGIN = 18;

/** Two canvases: the matrices, and what is lit on them. */
export class MatrixView {
  /** @param {Selection} selection */
  constructor(selection) {
    this.selection = selection;
    this.kinds = nodeOf("div", { class: "views-choice", role: "group", "aria-label": "Matrix" });
    this.groups = nodeOf("select", { "aria-label": "Group", hidden: true });
    this.sentence = nodeOf("p", { class: "views-note" });
    this.said = nodeOf("p", { class: "views-said", "aria-live": "polite" });
    this.drawing = nodeOf("canvas", { "aria-hidden": "true" });
    this.lamps = nodeOf("canvas", { class: "views-lamps", tabindex: 0, role: "application", "aria-roledescription": "matrix" });
    this.sheet = nodeOf("div", { class: "views-matrix-sheet" }, this.drawing, this.lamps);
    this.scroll = nodeOf("div", { class: "views-matrix-scroll" }, this.sheet);
    this.element = nodeOf("div", { class: "views-matrix" }, nodeOf("div", { class: "views-line" }, this.kinds, this.groups), this.sentence, this.scroll, this.said);
    this.colours = new MatrixColours(this.element);
    /** What was chosen last; where it is not offered, the first that is stands for it. */
    this.kind = "im2col";
    /** @type {StageIndex | null} Of the reading that the matrix is of. */
    this.index = null;
    this.cell = LARGEST;
    /** @type {MatrixPlan | null} */
    this.plan = null;
    /** @type {MatrixPlace} */
    this.cursor = { block: 0, row: 0, column: 0 };
    this.drawn = "";
    /** Whether the pointer is on the matrices, which must not run away from it. */
    this.isPointed = false;
    for (const [kind, words] of Object.entries(KINDS)) {
      const button = buttonOf({ "data-kind": kind }, words);
      button.addEventListener("click", () => {
        this.kind = kind;
        this.replan();
        this.selection.tell();
      });
      this.kinds.append(button);
    }
    this.groups.addEventListener("change", () => {
      this.replan();
      this.selection.tell();
    });
    this.listen();
  }

  listen() {
    const { lamps, selection } = this;
    lamps.addEventListener("pointermove", (event) => {
      const place = this.placeAt(event);
      this.isPointed = true;
      if (event.pointerType !== "touch") selection.hover(this.itemAt(place));
      lamps.title = this.wordsAt(place);
    });
    lamps.addEventListener("pointerleave", () => {
      selection.hover(null);
      this.isPointed = false;
    });
    lamps.addEventListener("click", (event) => {
      const place = this.placeAt(event);
      const item = this.itemAt(place);
      if (place) this.cursor = place;
      if (item) selection.pin(item);
    });
    lamps.addEventListener("focus", () => lamps.matches(":focus-visible") && this.visit());
    lamps.addEventListener("blur", () => selection.focus(null));
    lamps.addEventListener("keydown", (event) => {
      const block = this.plan?.blocks[this.cursor.block];
      if (!block || event.altKey || event.metaKey || event.ctrlKey) return;
      const { cursor } = this;
      const item = this.itemAt(cursor);
      if (event.key === "ArrowLeft") cursor.column = Math.max(cursor.column - 1, 0);
      else if (event.key === "ArrowRight") cursor.column = Math.min(cursor.column + 1, block.columns - 1);
      else if (event.key === "ArrowUp") cursor.row = Math.max(cursor.row - 1, 0);
      else if (event.key === "ArrowDown") cursor.row = Math.min(cursor.row + 1, block.rows - 1);
      else if (event.key === "PageDown" || event.key === "PageUp") {
        const count = this.plan?.blocks.length ?? 1;
        this.cursor = { block: (cursor.block + (event.key === "PageDown" ? 1 : count - 1)) % count, row: 0, column: 0 };
      } else if (event.key === "Enter" && item) return void (event.preventDefault(), selection.pin(item));
      else return;
      event.preventDefault();
      this.visit();
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** The cursor has come to a place. */
  visit() {
    sayIn(this.said, this.wordsAt(this.cursor));
    this.selection.focus(this.itemAt(this.cursor));
  }

  /** @param {PointerEvent | MouseEvent} event @returns {MatrixPlace | null} */
  placeAt(event) {
    const box = this.lamps.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left - MARGIN) / this.cell, (event.clientY - box.top - MARGIN) / this.cell];
    const blocks = this.plan?.blocks ?? [];
    for (let block = 0; block < blocks.length; block++) {
      const [row, column] = [Math.floor(y - blocks[block].top), Math.floor(x - blocks[block].left)];
      if (row >= 0 && row < blocks[block].rows && column >= 0 && column < blocks[block].columns) return { block, row, column };
    }
    return null;
  }

  /** @param {MatrixPlace | null} place */
  itemAt(place) {
    return place ? (this.plan?.blocks[place.block].item(place.row, place.column) ?? null) : null;
  }

  /** @param {MatrixPlace | null} place */
  wordsAt(place) {
    const block = place ? this.plan?.blocks[place.block] : null;
    return place && block ? `${block.title}, row ${place.row}, column ${place.column}: ${block.words(place.row, place.column)}` : "";
  }

  /**
   * @param {StageIndex} index
   * @param {StageIndex | null} beside of the other reading, where two stand beside each other
   * @param {any} matrices
   * @param {{input: string[], output: string[]}} roles
   */
  update(index, beside, matrices, roles) {
    this.indices = [index, beside ?? index];
    this.matrices = matrices;
    this.roles = roles;
    this.replan();
  }

  replan() {
    const { indices, matrices, roles } = this;
    // A window lies on the input or, of a scatter, on the output: who wants the one gets the other where there is no choice.
    const kind = this.kind === "toeplitz" || matrices?.[this.kind] ? this.kind : matrices?.col2im ? "col2im" : "im2col";
    for (const button of this.kinds.children) {
      const own = button.getAttribute("data-kind") ?? "";
      button.setAttribute("aria-pressed", String(own === kind));
      /** @type {HTMLElement} */ (button).hidden = own !== kind && own !== "toeplitz" && !matrices?.[own];
    }
    const found = matrices?.[kind];
    this.offerGroups(found?.groups?.length ?? 0);
    this.plan = null;
    this.index = indices?.[kind === "im2col" ? 1 : 0] ?? null;
    if (this.index && roles && found && !found.reason) {
      const group = found.groups?.[Math.max(this.groups.selectedIndex, 0)];
      this.plan = kind === "toeplitz" ? toeplitzPlan(this.index, found, roles) : (kind === "im2col" ? im2colPlan : col2imPlan)(this.index, group, roles);
    }
    sayIn(this.sentence, this.plan?.sentence ?? found?.reason ?? matrices?.reason ?? (matrices ? "There is no matrix to show." : "One moment …"));
    this.scroll.hidden = !this.plan;
    this.cursor = { block: 0, row: 0, column: 0 };
    this.lamps.setAttribute("aria-label", `${kind === "toeplitz" ? "Toeplitz matrix" : kind}: arrows go from entry to entry, Page Down from matrix to matrix`);
    this.drawn = "";
  }

  /** @param {number} count of groups, each with a matrix of its own */
  offerGroups(count) {
    this.groups.hidden = count < 2;
    if (!count || this.groups.options.length === count) return;
    this.groups.replaceChildren(...Array.from({ length: count }, (_, group) => nodeOf("option", { value: group }, `group ${group}`)));
  }

  /** Draw the matrices; what is lit is drawn over them. */
  draw() {
    const { plan } = this;
    const width = this.element.clientWidth;
    if (!plan || !width) return;
    this.colours.read();
    const right = Math.max(...plan.blocks.map((block) => block.left + block.columns));
    const bottom = Math.max(...plan.blocks.map((block) => block.top + block.rows));
    this.cell = Math.max(Math.min(Math.floor((width - 2 * MARGIN) / right), LARGEST), right > 400 ? SMALLEST : 8);
    const size = [right * this.cell + 2 * MARGIN, bottom * this.cell + 2 * MARGIN];
    const ratio = Math.min(window.devicePixelRatio || 1, 8192 / Math.max(...size));
    for (const canvas of [this.drawing, this.lamps]) {
      [canvas.width, canvas.height] = [Math.round(size[0] * ratio), Math.round(size[1] * ratio)];
      [canvas.style.width, canvas.style.height] = [`${size[0]}px`, `${size[1]}px`];
      canvas.getContext("2d")?.setTransform(ratio, 0, 0, ratio, MARGIN * ratio, MARGIN * ratio);
    }
    const pen = /** @type {CanvasRenderingContext2D} */ (this.drawing.getContext("2d"));
    const { cell, colours } = this;
    const edge = cell > 7 ? 1 : 0;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const block of plan.blocks) {
      const [x0, y0] = [block.left * cell, block.top * cell];
      pen.fillStyle = colours.of("sheet");
      pen.fillRect(x0, y0, block.columns * cell, block.rows * cell);
      let most = 0;
      for (let row = 0; row < block.rows; row++) for (let column = 0; column < block.columns; column++) most = Math.max(most, Math.abs(shadeNumber(block.value(row, column))));
      for (let row = 0; row < block.rows; row++) {
        for (let column = 0; column < block.columns; column++) {
          const value = block.value(row, column);
          if (value === undefined) continue;
          const isText = cell >= 17;
          pen.fillStyle = colours.of(block.role(row, column));
          pen.globalAlpha = isText ? 1 : 0.25 + 0.75 * (most ? Math.abs(shadeNumber(value)) / most : 1);
          pen.fillRect(x0 + column * cell, y0 + row * cell, cell - edge, cell - edge);
          pen.globalAlpha = 1;
          if (!isText) continue;
          const text = shortNumber(value);
          pen.fillStyle = colours.of("ink");
          pen.font = `${Math.min(cell * 0.46, (cell - 3) / (0.58 * text.length))}px system-ui, sans-serif`;
          pen.fillText(text, x0 + (column + 0.5) * cell - edge / 2, y0 + (row + 0.5) * cell);
        }
      }
      pen.strokeStyle = colours.of("line");
      pen.strokeRect(x0 - 0.5, y0 - 0.5, block.columns * cell, block.rows * cell);
      pen.fillStyle = colours.of("muted");
      pen.font = "italic 13px Georgia, serif";
      pen.fillText(block.title, x0 + 4, y0 - 9);
    }
  }

  /**
   * Scroll to what is lit where none of it is seen; a vector that is lit as a whole does not count.
   * @param {import("./blocks.js").MatrixLight[]} lights
   */
  reveal(lights) {
    const { scroll, cell, plan } = this;
    const shown = lights.filter((light) => plan && plan.blocks[light.block].rows > 1 && plan.blocks[light.block].columns > 1);
    if (!plan || !shown.length) return;
    const places = shown.map((light) => [(plan.blocks[light.block].left + light.column) * cell + MARGIN, (plan.blocks[light.block].top + light.row) * cell + MARGIN]);
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = scroll;
    if (places.some(([x, y]) => x >= scrollLeft && x + cell <= scrollLeft + clientWidth && y >= scrollTop && y + cell <= scrollTop + clientHeight)) return;
    scroll.scrollTo(places[0][0] - clientWidth / 3, places[0][1] - clientHeight / 3);
  }

  /** @param {import("./lighting.js").Lit} lit */
  light(lit) {
    const { plan } = this;
    if (!plan) return;
    const drawn = `${this.element.clientWidth} ${this.colours.scheme()}`;
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.draw();
    }
    const pen = /** @type {CanvasRenderingContext2D} */ (this.lamps.getContext("2d"));
    const { cell, colours } = this;
    pen.clearRect(-MARGIN, -MARGIN, this.lamps.width, this.lamps.height);
    /** @type {Map<string, import("./blocks.js").MatrixLight>} */
    const lights = new Map();
    for (const light of plan.lights(lit, this.selection.item)) {
      const key = `${light.block} ${light.row} ${light.column}`;
      if (light.kind === "chief" || !lights.has(key)) lights.set(key, light);
    }
    this.lamps.dataset.lit = String(lights.size);
    if (!this.isPointed) this.reveal([...lights.values()]);
    const wide = cell > 12 ? 2 : 1;
    for (const light of lights.values()) {
      const block = plan.blocks[light.block];
      const [x, y] = [(block.left + light.column) * cell, (block.top + light.row) * cell];
      pen.globalAlpha = light.kind === "chief" ? 0.24 : 0.14;
      pen.fillStyle = colours.of("ink");
      pen.fillRect(x, y, cell - 1, cell - 1);
      pen.globalAlpha = 1;
      pen.lineWidth = light.kind === "chief" ? wide + 1 : wide;
      pen.strokeStyle = colours.of(light.kind === "chief" ? "focus" : "ink");
      pen.strokeRect(x + 0.5, y + 0.5, cell - 2, cell - 2);
    }
  }
}
