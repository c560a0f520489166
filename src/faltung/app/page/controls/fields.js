import { element, fill, freshId } from "../dom.js";
import { makeStepper } from "./stepper.js";

/** @typedef {import("./layers.js").LayerStore} LayerStore */
/** @typedef {{root: HTMLElement, show: () => void}} Field a control, and what brings it to the state */

/**
 * What the axes are called, first to last.
 * @param {number} ndim
 */
export function axisNames(ndim) {
  return ndim === 1 ? ["length"] : ["depth", "height", "width"].slice(-ndim);
}

/**
 * One entry along each axis.
 * @param {LayerStore} store
 * @param {string} field
 * @param {string} label
 * @param {number} min
 * @param {number} max
 * @returns {Field}
 */
export function makeAxesField(store, field, label, min, max) {
  const row = element("span", { class: "axes" });
  /** @type {ReturnType<typeof makeStepper>[]} */
  let steppers = [];
  const values = () => /** @type {number[]} */ (store.state[field]);
  return {
    root: element("div", { class: "field", role: "group", "aria-label": label }, element("span", { class: "label" }, label), row),
    show() {
      const now = values();
      if (steppers.length !== now.length) {
        const names = axisNames(now.length);
        steppers = now.map((_, axis) =>
          makeStepper({
            label: `${label}, ${names[axis]}`,
            min,
            max,
            change: (value) => store.change({ [field]: values().map((old, at) => (at === axis ? value : old)) }),
          }),
        );
        // The first of the form says which is which; below it the order stays.
        const heads = field === "input_size" ? names.map((name) => element("span", { class: "note", "aria-hidden": true }, name)) : [];
        row.classList.toggle("headed", heads.length > 0);
        fill(row, ...steppers.map((stepper, axis) => (heads[axis] ? element("span", {}, heads[axis], stepper.root) : stepper.root)));
      }
      steppers.forEach((stepper, axis) => stepper.show(now[axis]));
    },
  };
}

/**
 * @param {LayerStore} store
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
 * @param {LayerStore} store
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
 * @param {LayerStore} store
 * @param {string} field
 * @param {string} label
 * @param {Record<string, string>} choices
 * @param {(state: State, value: string) => Partial<State>} [part] what a choice changes
 * @returns {Field}
 */
export function makeChoiceField(store, field, label, choices, part = (_, value) => ({ [field]: value })) {
  const id = freshId("choice");
  const options = Object.entries(choices).map(([value, words]) => element("option", { value }, words));
  const select = element("select", { id, onchange: () => store.change(part(store.state, select.value)) }, ...options);
  return {
    root: element("div", { class: "field" }, element("label", { class: "label", for: id }, label), select),
    show: () => void (select.value = String(store.state[field])),
  };
}

/**
 * One of the values that a table holds answers for.
 * @param {LayerStore} store
 * @param {string} field
 * @param {string} label
 * @param {unknown[]} offered
 * @returns {Field}
 */
export function makeOfferedField(store, field, label, offered) {
  const name = freshId("offered");
  const radios = offered.map((value) => element("input", { type: "radio", name, onchange: () => store.change({ [field]: value }) }));
  const labels = offered.map((value, at) => element("label", { class: "option" }, radios[at], element("span", {}, offeredWords(value))));
  return {
    root: element("fieldset", { class: "field offered" }, element("legend", { class: "label" }, label), ...labels),
    show() {
      const now = JSON.stringify(store.state[field]);
      offered.forEach((value, at) => (radios[at].checked = JSON.stringify(value) === now));
    },
  };
}

/**
 * A field's value as people write it.
 * @param {any} value
 * @returns {string}
 */
function offeredWords(value) {
  if (Array.isArray(value)) {
    const words = value.map((entry) => (Array.isArray(entry) ? offeredWords(entry) : String(entry)));
    return words.every((word) => word === words[0]) ? words[0] : words.join(" × ");
  }
  if (value === true) return "yes";
  if (value === false) return "no";
  if (value === null) return "made-up numbers";
  if (typeof value === "object") return "named" in value ? String(value.named).replaceAll("_", " ") : "numbers given";
  return String(value);
}
