import { element } from "../dom.js";
import { makeAxesField, makeChoiceField, makeFlagField, makeNumberField, makePaddingField } from "./fields.js";

const MODES = { zeros: "zeros", circular: "circular: wrap around", reflect: "reflect: edge not repeated", replicate: "replicate: edge repeated", symmetric: "symmetric: mirror with edge" };

/**
 * The controls of every field of the state.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @param {PlaygroundOptions} options
 */
export function makeForm(root, store, options) {
  const wanted = (/** @type {string} */ field) => !options.controls || options.controls.includes(field);
  const groups = [
    group("Input", [
      ["ndim", () => makeChoiceField(store, "ndim", "Dimensions", { 1: "1-D", 2: "2-D", 3: "3-D" }, toDimensions)],
      ["input_size", () => makeAxesField(store, "input_size", "Input size", 1, 64)],
      ["in_channels", () => makeNumberField(store, "in_channels", "Input channels", 1, 64)],
    ]),
    group("Kernel", [
      ["kernel_size", () => makeAxesField(store, "kernel_size", "Kernel size", 1, 16)],
      ["stride", () => makeAxesField(store, "stride", "Stride", 1, 16)],
      ["dilation", () => makeAxesField(store, "dilation", "Dilation", 1, 16)],
      ["out_channels", () => makeNumberField(store, "out_channels", "Output channels", 1, 64)],
      ["groups", () => makeNumberField(store, "groups", "Groups", 1, 64)],
    ]),
    group("Padding", [
      ["padding", () => makePaddingField(store)],
      ["padding_mode", () => makeChoiceField(store, "padding_mode", "Padding mode", MODES)],
      ["output_padding", () => makeAxesField(store, "output_padding", "Output padding", 0, 15)],
    ]),
    group("Direction", [
      ["transposed", () => makeFlagField(store, "transposed", "Transposed")],
      ["flip", () => makeFlagField(store, "flip", "Flip the kernel (mathematical convolution)")],
      ["bias", () => makeFlagField(store, "bias", "Bias")],
    ]),
  ];

  /**
   * @param {string} title
   * @param {[string, () => {root: HTMLElement, show: () => void}][]} rows
   */
  function group(title, rows) {
    const fields = rows.filter(([field]) => wanted(field)).map(([, make]) => make());
    return { fields, root: element("fieldset", {}, element("legend", {}, title), ...fields.map((field) => field.root)) };
  }

  const shown = groups.filter((one) => one.fields.length);
  root.append(element("form", { class: "form", onsubmit: (/** @type {Event} */ event) => event.preventDefault() }, ...shown.map((one) => one.root)));
  const show = () => shown.forEach((one) => one.fields.forEach((field) => field.show()));
  show();
  return { destroy: store.subscribe(show) };
}

/**
 * What changes with the number of axes: lists lose their last entry, or repeat it.
 * @param {State} state
 * @param {string} value
 * @returns {Partial<State>}
 */
function toDimensions(state, value) {
  const ndim = Number(value);
  const resized = (/** @type {any[]} */ list) => Array.from({ length: ndim }, (_, axis) => structuredClone(list[Math.min(axis, list.length - 1)]));
  /** @type {Partial<State>} */
  const part = { ndim };
  for (const field of ["input_size", "kernel_size", "stride", "dilation", "output_padding", "padding"]) {
    if (Array.isArray(state[field])) part[field] = resized(/** @type {any[]} */ (state[field]));
  }
  return part;
}
