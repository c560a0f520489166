/**
 * The formula of what is lit, with numbers and with indices, and the same said to a screen reader.
 */
import { buttonOf, nodeOf, sayIn } from "./nodes.js";
import { flatOf, itemName, itemValue, outputName, productNames, productNumbers } from "./naming.js";
import { ORIGIN_WORDS } from "./grid.js";
import { factorNumber, fullNumber, mediumNumber } from "./numbers.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("../selection.js").Selection} Selection */
/** @typedef {import("../selection.js").Item} Item */
/** @typedef {import("./lighting.js").Lit} Lit */

const MOST_TERMS = 64;
const MOST_SPOKEN = 12;

/** The formula of the item that is lit. */
export class FormulaView {
  /** @param {Selection} selection */
  constructor(selection) {
    this.selection = selection;
    this.withIndices = false;
    this.title = nodeOf("span", { class: "views-title" });
    this.state = nodeOf("span", { class: "views-state" });
    this.terms = nodeOf("div", { class: "views-terms", tabindex: 0, role: "group", "aria-label": "Formula" });
    this.live = nodeOf("div", { class: "views-hidden", "aria-live": "polite", "aria-atomic": "true" });
    this.numbers = buttonOf({ "aria-pressed": "true" }, "numbers");
    this.indices = buttonOf({ "aria-pressed": "false" }, "indices");
    this.unpin = buttonOf({ class: "views-unpin", title: "Escape" }, "unpin");
    this.edit = buttonOf({ class: "views-unpin", title: "Double click on the cell, or type a number", hidden: true }, "edit value");
    this.element = nodeOf(
      "section",
      { class: "views-formula", "aria-label": "Formula" },
      nodeOf("div", { class: "views-line" }, this.title, this.state, this.edit, this.unpin, nodeOf("span", { class: "views-spring" }), nodeOf("div", { class: "views-choice", role: "group", "aria-label": "Formula with" }, this.numbers, this.indices)),
      this.terms,
      this.live,
    );
    this.unpin.addEventListener("click", () => selection.pin(null));
    this.numbers.addEventListener("click", () => this.choose(false));
    this.indices.addEventListener("click", () => this.choose(true));
    this.terms.addEventListener("pointerover", (event) => {
      const term = event.target instanceof Element ? event.target.closest("[data-product]") : null;
      if (term instanceof HTMLElement) selection.point(Number(term.dataset.product));
    });
    this.terms.addEventListener("pointerleave", () => selection.point(-1));
    this.timer = 0;
  }

  /**
   * Whether a value can be changed; who makes the views says so.
   * @type {(item: Item) => boolean}
   */
  canEdit = () => false;

  /** @param {boolean} withIndices */
  choose(withIndices) {
    this.withIndices = withIndices;
    this.numbers.setAttribute("aria-pressed", String(!withIndices));
    this.indices.setAttribute("aria-pressed", String(withIndices));
    this.selection.tell();
  }

  /**
   * @param {StageIndex} index
   * @param {Lit} lit
   */
  show(index, lit) {
    const { item, pinned } = this.selection;
    this.unpin.hidden = !pinned;
    this.edit.hidden = !pinned || !this.canEdit(pinned);
    sayIn(this.state, pinned ? "pinned" : "");
    if (!item) {
      sayIn(this.title, "Point at a cell, or press play");
      this.terms.replaceChildren();
      return;
    }
    const made = item === this.selection.stepped ? this.selection.made : -1;
    const isHalf = item.grid === "output" && made >= 0 && made < lit.products.length;
    sayIn(this.title, isHalf ? itemName(index, item) : this.headline(index, item, lit));
    this.terms.replaceChildren(...(item.grid === "output" ? this.sum(index, item, lit, made) : this.uses(index, item, lit, made)));
    this.terms.querySelector("[data-now]")?.scrollIntoView({ block: "nearest" });
    this.say(index, item, lit);
  }

  /**
   * @param {StageIndex} index
   * @param {Item} item
   * @param {Lit} lit
   */
  headline(index, item, lit) {
    const name = itemName(index, item);
    const value = itemValue(index, item);
    const equals = value === null ? name : `${name} = ${mediumNumber(value)}`;
    if (item.grid === "bias") return `${equals} is added to every output of channel ${item.channel}`;
    if (item.grid === "output") return equals;
    const outputs = new Set(Array.from(lit.products, (product) => index.output[product])).size;
    const origin = item.grid === "input" ? ORIGIN_WORDS[index.stage.input.origins[item.place]] : undefined;
    const copied = origin ? (flatOf(index, item) < 0 ? ` (${origin.words})` : ` (${index.stage.input.origins[item.place]})`) : "";
    return `${equals}${copied} feeds ${outputs} output${outputs === 1 ? "" : "s"}${item.grid === "kernel" ? ` through ${lit.products.length} products` : ""}`;
  }

  /**
   * One output: its products and their sum.
   * @param {StageIndex} index
   * @param {Item} item
   * @param {Lit} lit
   * @param {number} made
   */
  sum(index, item, lit, made) {
    /** @type {(Node | string)[]} */
    const shown = [];
    const { products } = lit;
    const flat = flatOf(index, item);
    if (flat < 0) return ["What is stamped here lies outside the output and is cut off."];
    if (!products.length) shown.push("no product reaches it");
    for (let number = 0; number < Math.min(products.length, MOST_TERMS); number++) {
      const isLater = made >= 0 && number >= made;
      if (number) shown.push(nodeOf("span", { class: "views-plus", "data-later": isLater }, " + "));
      shown.push(this.term(index, products[number], isLater, number === made - 1));
    }
    if (products.length > MOST_TERMS) shown.push(` + … ${products.length - MOST_TERMS} more, in the table`);
    const bias = index.stage.kernel.bias?.[item.channel];
    const isWhole = made < 0 || made >= products.length;
    if (bias !== undefined) {
      const text = this.withIndices ? `b[${item.channel}]` : factorNumber(bias);
      shown.push(nodeOf("span", { class: "views-plus", "data-later": !isWhole }, " + "));
      shown.push(nodeOf("span", { class: "views-term views-of-bias", title: "bias", "data-later": !isWhole }, text));
    }
    const result = isWhole ? index.results[flat] : made ? index.sum(products[made - 1]) : null;
    const words = isWhole ? mediumNumber(result) : `${mediumNumber(result)} so far`;
    shown.push(" = ", nodeOf("output", { class: "views-result", title: fullNumber(result) }, words));
    return shown;
  }

  /**
   * One input or weight: what it adds to each output.
   * @param {StageIndex} index
   * @param {Item} item
   * @param {Lit} lit
   * @param {number} made
   */
  uses(index, item, lit, made) {
    if (item.grid === "bias") return [`y[${item.channel}, …] = the sum of its products + ${factorNumber(itemValue(index, item))}`];
    const { products } = lit;
    if (!products.length) return ["No window reads it: it feeds no output."];
    /** @type {(Node | string)[]} */
    const shown = [];
    for (let number = 0; number < Math.min(products.length, MOST_TERMS); number++) {
      const product = products[number];
      const term = this.term(index, product, made >= 0 && number >= made, number === made - 1);
      const name = nodeOf("span", { class: "views-of-output" }, outputName(index, index.output[product]));
      term.prepend(name, " ← ");
      if (!this.withIndices) term.append(` = ${mediumNumber(index.product(product))}`);
      shown.push(term, number + 1 < products.length ? "; " : "");
    }
    if (products.length > MOST_TERMS) shown.push(`… ${products.length - MOST_TERMS} more, in the table`);
    return shown;
  }

  /**
   * @param {StageIndex} index
   * @param {number} product
   * @param {boolean} isLater
   * @param {boolean} isNow
   */
  term(index, product, isLater, isNow) {
    const [value, weight] = (this.withIndices ? productNames : productNumbers)(index, product).split("·");
    const origin = index.origin(product);
    const reason = ORIGIN_WORDS[origin] ? `; ${ORIGIN_WORDS[origin].words}` : "";
    return nodeOf(
      "span",
      {
        class: "views-term",
        "data-product": product,
        "data-origin": origin,
        "data-later": isLater,
        "data-now": isNow || this.selection.product === product,
        title: `${productNames(index, product)} = ${productNumbers(index, product)} = ${mediumNumber(index.product(product))}${reason}`,
      },
      nodeOf("span", { class: "views-of-input" }, value),
      "·",
      nodeOf("span", { class: "views-of-kernel" }, weight),
    );
  }

  /**
   * Tell a screen reader, a little later, so that what is passed over quickly is not spoken.
   * @param {StageIndex} index
   * @param {Item} item
   * @param {Lit} lit
   */
  say(index, item, lit) {
    window.clearTimeout(this.timer);
    if (this.selection.isPlaying || item === this.selection.hovered) return;
    this.timer = window.setTimeout(() => sayIn(this.live, this.spoken(index, item, lit)), 120);
  }

  /**
   * @param {StageIndex} index
   * @param {Item} item
   * @param {Lit} lit
   */
  spoken(index, item, lit) {
    const title = this.headline(index, item, lit);
    const pinned = this.selection.pinned ? ", pinned" : "";
    if (item.grid !== "output" || !lit.products.length) return `${title}${pinned}.`;
    const bias = index.stage.kernel.bias?.[item.channel];
    const terms = Array.from(lit.products)
      .slice(0, MOST_SPOKEN)
      .map((product) => productNumbers(index, product).replace("·", " times "));
    if (lit.products.length > MOST_SPOKEN) terms.push(`${lit.products.length - MOST_SPOKEN} more products`);
    if (bias !== undefined) terms.push(`bias ${mediumNumber(bias)}`);
    return `${itemName(index, item)} = ${terms.join(" + ")} = ${mediumNumber(itemValue(index, item))}${pinned}.`;
  }
}
