/**
 * The products of what is lit as a table: for screen readers, and for everybody who wants every number in full.
 */
import { ORIGIN_WORDS } from "./grid.js";
import { inputName, itemName, itemValue, outputName, weightName } from "./naming.js";
import { nodeOf, sayIn } from "./nodes.js";
import { fullNumber } from "./numbers.js";

/** @typedef {import("./scene.js").StageIndex} StageIndex */
/** @typedef {import("../selection.js").Item} Item */
/** @typedef {import("./lighting.js").Lit} Lit */

const MOST_LINES = 512;

/** A table of products. */
export class TableView {
  /** @param {import("../selection.js").Selection} selection */
  constructor(selection) {
    this.selection = selection;
    this.caption = nodeOf("caption");
    this.head = nodeOf("thead");
    this.body = nodeOf("tbody");
    this.table = nodeOf("table", {}, this.caption, this.head, this.body);
    this.element = nodeOf("div", { class: "views-table", tabindex: 0, role: "region", "aria-label": "Products" }, this.table);
    this.body.addEventListener("pointerover", (event) => {
      const line = event.target instanceof Element ? event.target.closest("[data-product]") : null;
      if (line instanceof HTMLElement) selection.point(Number(line.dataset.product));
    });
    this.body.addEventListener("pointerleave", () => selection.point(-1));
    this.drawn = "";
  }

  /**
   * @param {StageIndex} index
   * @param {Lit} lit
   */
  show(index, lit) {
    const { item } = this.selection;
    const isSum = item?.grid === "output";
    const title = item ? `${itemName(index, item)} = ${fullNumber(itemValue(index, item))}` : "Nothing is chosen";
    const count = `${lit.products.length} product${lit.products.length === 1 ? "" : "s"}`;
    sayIn(this.caption, `${title}: ${count}`);
    const names = ["Input", "Value", "Weight", "Value", "Product", isSum ? "Sum" : "Output", "Where the value comes from"];
    this.head.replaceChildren(nodeOf("tr", {}, ...names.map((name) => nodeOf("th", { scope: "col" }, name))));
    const lines = Array.from(lit.products)
      .slice(0, MOST_LINES)
      .map((product) => {
        const input = index.input[product];
        const origin = index.origin(product);
        return nodeOf(
          "tr",
          { "data-product": product, "data-now": this.selection.product === product },
          nodeOf("th", { scope: "row" }, input < 0 ? "none" : inputName(index, input)),
          nodeOf("td", {}, fullNumber(index.inputValue(product))),
          nodeOf("td", {}, weightName(index, index.weight[product])),
          nodeOf("td", {}, fullNumber(index.weightValue(product))),
          nodeOf("td", {}, fullNumber(index.product(product))),
          nodeOf("td", {}, isSum ? fullNumber(index.sum(product)) : outputName(index, index.output[product])),
          nodeOf("td", {}, ORIGIN_WORDS[origin]?.words ?? "the input"),
        );
      });
    const bias = isSum && item ? index.stage.kernel.bias?.[item.channel] : undefined;
    if (bias !== undefined && item) {
      lines.push(
        nodeOf("tr", {}, nodeOf("th", { scope: "row", colspan: 4 }, `bias b[${item.channel}]`), nodeOf("td", {}, fullNumber(bias)), nodeOf("td", {}, fullNumber(itemValue(index, item))), nodeOf("td")),
      );
    }
    if (lit.products.length > MOST_LINES) lines.push(nodeOf("tr", {}, nodeOf("td", { colspan: 7 }, `${lit.products.length - MOST_LINES} more are not listed.`)));
    this.body.replaceChildren(...lines);
  }
}
