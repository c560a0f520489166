import { element, fill, freshId } from "../dom.js";
import { makeStepper } from "./stepper.js";

/** @typedef {import("../store.js").Store} Store */
/** @typedef {{root: HTMLElement, show: () => void}} Field a control and what brings it to the state */

/**
 * What the axes are called, first to last.
 * @param {number} ndim
 */
export function axisNames(ndim) {
  return ["depth", "height", "width"].slice(-ndim).map((name) => (ndim === 1 ? "length" : name));
}

/**
 * One entry along each axis.
 * @param {Store} store
 * @param {string} field
 * @param {string} label
 * @param {number} min
 * @param {number} max
 * @returns {Field}
 */
export function makeAxesField(store, field, label, min, max) {
  const title = element("span", { class: "label" }, label);
  const row = element("span", { class: "axes" });
  /** @type {ReturnType<typeof makeStepper>[]} */
  let steppers = [];
  return {
    root: element("div", { class: "field", role: "group", "aria-label": label }, title, row),
    show() {
      const values = /** @type {number[]} */ (store.state[field]);
      if (steppers.length !== values.length) {
        const names = axisNames(values.length);
        steppers = values.map((_, axis) =>
          makeStepper({
            label: `${label}, ${names[axis]}`, min, max,
            change: (value) => store.change({ [field]: /** @type {number[]} */ (store.state[field]).map((old, at) => (at === axis ? value : old)) }),
          }),
        );
        fill(row, ...steppers.map((stepper) => stepper.root));
      }
      steppers.forEach((stepper, axis) => stepper.show(values[axis]));
    },
  };
}

/**
 * @param {Store} store
 * @param {string} field
 * @param {string} label
 * @param {number} min
 * @param {number} max
 * @returns {Field}
 */
export function makeNumberField(store, field, label, min, max) {
  const stepper = makeStepper({ label, min, max, change: (value) => store.change({ [field]: value }) });
  return {
    root: element("div", { class: "field" }, element("span", { class: "label" }, label), stepper.root),
    show: () => stepper.show(store.state[field]),
  };
}

/**
 * @param {Store} store
 * @param {string} field
 * @param {string} label
 * @returns {Field}
 */
export function makeFlagField(store, field, label) {
  const box = element("input", { type: "checkbox", onchange: () => store.change({ [field]: box.checked }) });
  return {
    root: element("label", { class: "field flag" }, box, element("span", { class: "label" }, label)),
    show: () => void (box.checked = store.state[field] === true),
  };
}

/**
 * One of some values, each with its words.
 * @param {Store} store
 * @param {string} field
 * @param {string} label
 * @param {Record<string, string>} choices
 * @param {(state: State, value: string) => Partial<State>} [part] what a choice changes
 * @returns {Field}
 */
export function makeChoiceField(store, field, label, choices, part = (_, value) => ({ [field]: value })) {
  const id = freshId("choice");
  const select = element(
    "select", { id, onchange: () => store.change(part(store.state, select.value)) },
    ...Object.entries(choices).map(([value, words]) => element("option", { value }, words)),
  );
  return {
    root: element("div", { class: "field" }, element("label", { class: "label", for: id }, label), select),
    show: () => void (select.value = String(store.state[field])),
  };
}

const RULES = {
  numbers: "in numbers",
  valid: "valid: none",
  same: "same: output as large as the input",
  same_upper: "same_upper: TensorFlow's SAME",
  same_lower: "same_lower: the odd cell before",
  full: "full: every overlap",
  causal: "causal: all of it before",
};

/**
 * Padding by rule, or in numbers: for both sides alike or for each.
 * @param {Store} store
 * @returns {Field}
 */
export function makePaddingField(store) {
  const id = freshId("padding");
  const rule = element(
    "select", { id, onchange: () => store.change({ padding: rule.value === "numbers" ? numbers : rule.value }) },
    ...Object.entries(RULES).map(([value, words]) => element("option", { value }, words)),
  );
  const each = element("input", { type: "checkbox", onchange: show });
  const row = element("div", { class: "axes" });
  /** @type {number[][]} */
  let numbers = [];
  /** @type {ReturnType<typeof makeStepper>[]} */
  let steppers = [];
  let form = "";

  function show() {
    const { padding, ndim } = store.state;
    rule.value = Array.isArray(padding) ? "numbers" : padding;
    eachLabel.hidden = row.hidden = !Array.isArray(padding);
    if (!Array.isArray(padding)) {
      if (numbers.length !== ndim) numbers = Array.from({ length: ndim }, () => [0, 0]);
      return;
    }
    numbers = padding;
    const uneven = padding.some(([before, after]) => before !== after);
    if (uneven) each.checked = true;
    each.disabled = uneven;
    const wanted = `${padding.length} ${each.checked}`;
    if (form !== wanted) {
      form = wanted;
      const names = axisNames(padding.length);
      steppers = padding.flatMap((_, axis) =>
        (each.checked ? [[0, "before"], [1, "after"]] : [[-1, "both sides"]]).map(([side, words]) =>
          makeStepper({ label: `Padding, ${names[axis]}, ${words}`, min: -16, max: 16, change: (value) => change(axis, Number(side), value) }),
        ),
      );
      fill(row, ...steppers.map((stepper) => stepper.root));
    }
    const values = each.checked ? padding.flat() : padding.map(([before]) => before);
    steppers.forEach((stepper, at) => stepper.show(values[at]));
  }

  /**
   * @param {number} axis
   * @param {number} side
   * @param {number} value
   */
  function change(axis, side, value) {
    store.change({ padding: numbers.map((pair, at) => (at === axis ? pair.map((old, place) => (side < 0 || place === side ? value : old)) : pair)) });
  }

  const eachLabel = element("label", { class: "flag small" }, each, element("span", {}, "each side by itself"));
  return {
    root: element("div", { class: "field", role: "group", "aria-label": "Padding" }, element("label", { class: "label", for: id }, "Padding"), rule, row, eachLabel),
    show,
  };
}
