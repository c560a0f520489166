import { element, fill, freshId } from "../dom.js";
import { axisNames } from "./fields.js";
import { makeStepper } from "./stepper.js";

const PADDING_RULES = {
  numbers: "in numbers",
  valid: "valid: none",
  same: "same: output as large as input",
  same_upper: "same_upper: as TensorFlow",
  same_lower: "same_lower: odd cell before",
  full: "full: every overlap",
  causal: "causal: all of it before",
};

/**
 * Padding by rule, or in numbers: for both sides alike or for each.
 * @param {import("./layers.js").LayerStore} store
 * @returns {import("./fields.js").Field}
 */
export function makePaddingField(store) {
  const id = freshId("padding");
  const options = Object.entries(PADDING_RULES).map(([value, words]) => element("option", { value }, words));
  const rule = element("select", { id, onchange: choose }, ...options);
  const each = element("input", { type: "checkbox", onchange: show });
  const eachLabel = element("label", { class: "flag" }, each, element("span", {}, "each side by itself"));
  const row = element("div", { class: "axes" });
  /** What is brought back when the rule is left. @type {number[][]} */
  let numbers = [];
  /** @type {ReturnType<typeof makeStepper>[]} */
  let steppers = [];
  let form = "";

  function choose() {
    const { ndim } = store.state;
    const kept = numbers.length === ndim ? numbers : Array.from({ length: ndim }, () => [0, 0]);
    store.change({ padding: rule.value === "numbers" ? kept : rule.value });
  }

  function show() {
    const { padding } = store.state;
    const isNumbers = Array.isArray(padding);
    rule.value = isNumbers ? "numbers" : padding;
    eachLabel.hidden = row.hidden = !isNumbers;
    if (!isNumbers) return;
    numbers = padding;
    const isUneven = padding.some(([before, after]) => before !== after);
    if (isUneven) each.checked = true;
    each.disabled = isUneven;
    if (form !== `${padding.length} ${each.checked}`) {
      form = `${padding.length} ${each.checked}`;
      const sides = each.checked ? ["before", "after"] : ["both sides"];
      steppers = axisNames(padding.length).flatMap((name, axis) =>
        sides.map((words, side) =>
          makeStepper({ label: `Padding, ${name}, ${words}`, min: -16, max: 16, change: (value) => change(axis, each.checked ? side : -1, value) }),
        ),
      );
      const heads = each.checked ? sides.map((words) => element("span", { class: "note", "aria-hidden": true }, words)) : [];
      fill(row, ...heads, ...steppers.map((stepper) => stepper.root));
      row.classList.toggle("pairs", each.checked);
    }
    const values = each.checked ? padding.flat() : padding.map(([before]) => before);
    steppers.forEach((stepper, at) => stepper.show(values[at]));
  }

  /**
   * @param {number} axis
   * @param {number} side -1: both
   * @param {number} value
   */
  function change(axis, side, value) {
    const changed = (/** @type {number[]} */ pair) => pair.map((old, at) => (side < 0 || at === side ? value : old));
    store.change({ padding: numbers.map((pair, at) => (at === axis ? changed(pair) : pair)) });
  }

  const label = element("label", { class: "label", for: id }, "Padding");
  return { root: element("div", { class: "field", role: "group", "aria-label": "Padding" }, label, rule, row, eachLabel), show };
}
