import { element, fill } from "../dom.js";
import { makeAxesField, makeChoiceField, makeFlagField, makeNumberField, makeOfferedField } from "./fields.js";
import { makeGroupsField } from "./groups.js";
import { INPUT_FIELDS, LayerStore } from "./layers.js";
import { makeNamedField } from "./named.js";
import { makePaddingField } from "./padding.js";

/** @typedef {import("./fields.js").Field} Field */

const MODES = { zeros: "zeros", circular: "circular: wraps around", reflect: "reflect: edge not repeated", replicate: "replicate: edge repeated", symmetric: "symmetric: mirrored" };

/** @type {Record<string, string>} */
const TITLES = {
  ndim: "Dimensions", input_size: "Input size", in_channels: "Input channels", x: "Input values", kernel_size: "Kernel size", stride: "Stride",
  dilation: "Dilation", out_channels: "Output channels", groups: "Groups", weight: "Weights", padding: "Padding", padding_mode: "Padding mode",
  transposed: "Transposed", output_padding: "Output padding", reading: "Read as", flip: "Flip the kernel", bias: "Bias",
};

const GROUPS = {
  Input: ["ndim", "input_size", "in_channels", "x"],
  Kernel: ["kernel_size", "stride", "dilation", "weight"],
  Channels: ["out_channels", "groups"],
  Padding: ["padding", "padding_mode"],
  Direction: ["transposed", "output_padding", "reading", "flip", "bias"],
};

/**
 * The controls of every field of the state, or of those that `options` name.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @param {PlaygroundOptions} options
 * @param {Promise<{kernels: any[], inputs: any[]}>} named what numbers have names
 * @returns {Part}
 */
export function makeForm(root, store, options, named) {
  const layer = new LayerStore(store);
  const varying = store.link.varying;
  const fields = varying ? Object.keys(varying) : (options.controls ?? Object.keys(TITLES)).filter((field) => field !== "reading"); // which the views ask

  /**
   * @param {string} field
   * @returns {Field}
   */
  function make(field) {
    const title = TITLES[field];
    if (varying) return makeOfferedField(layer, field, title ?? field, varying[field]);
    switch (field) {
      case "ndim":
        return makeChoiceField(layer, field, title, { 1: "1-D", 2: "2-D", 3: "3-D" }, toDimensions);
      case "x":
        return makeNamedField(layer, field, title, named.then(({ inputs }) => inputs));
      case "weight":
        return makeNamedField(layer, field, title, named.then(({ kernels }) => kernels));
      case "groups":
        return makeGroupsField(layer);
      case "padding":
        return makePaddingField(layer);
      case "padding_mode":
        return makeChoiceField(layer, field, title, MODES);
      case "input_size":
        return makeAxesField(layer, field, title, 1, 64);
      case "output_padding":
        return makeAxesField(layer, field, title, 0, 15);
      case "kernel_size":
      case "stride":
      case "dilation":
        return makeAxesField(layer, field, title, 1, 16);
      case "in_channels":
      case "out_channels":
        return makeNumberField(layer, field, title, 1, 64);
      default:
        return makeFlagField(layer, field, title);
    }
  }

  const groups = Object.entries(GROUPS).map(([title, names]) => {
    const made = names.filter((name) => fields.includes(name)).map((name) => ({ name, field: make(name) }));
    return { made, root: element("fieldset", {}, element("legend", {}, title), ...made.map(({ field }) => field.root)) };
  });
  const shown = groups.filter(({ made }) => made.length);
  const layers = element("div", { class: "layers", role: "group", "aria-label": "Layer" });
  const form = element("form", { class: "form" }, layers, ...shown.map((group) => group.root));
  form.addEventListener("submit", (event) => event.preventDefault());
  root.append(form);

  function show() {
    const state = layer.state;
    showLayers();
    for (const group of shown) {
      for (const { name, field } of group.made) {
        const isLayers = layer.layer === 0 || !INPUT_FIELDS.includes(name);
        field.root.hidden = !isLayers || (!varying && name === "output_padding" && !state.transposed);
        if (!field.root.hidden) field.show();
      }
      group.root.hidden = group.made.every(({ field }) => field.root.hidden);
    }
  }

  function showLayers() {
    const { count } = layer;
    layers.hidden = count < 2 || varying !== undefined;
    if (layers.children.length !== count) {
      const buttons = Array.from({ length: count }, (_, at) =>
        element("button", { type: "button", onclick: () => ((layer.layer = at), show()) }, `Layer ${at + 1}`),
      );
      fill(layers, ...buttons);
    }
    [...layers.children].forEach((button, at) => button.setAttribute("aria-pressed", String(at === layer.layer)));
  }

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
  const resized = (/** @type {any} */ list) =>
    Array.isArray(list) ? Array.from({ length: ndim }, (_, axis) => structuredClone(list[Math.min(axis, list.length - 1)])) : list;
  const inLayer = (/** @type {any} */ layer) => {
    /** @type {Record<string, unknown>} */
    const part = {};
    for (const field of ["kernel_size", "stride", "dilation", "output_padding", "padding"]) if (field in layer) part[field] = resized(layer[field]);
    return part;
  };
  const then = Array.isArray(state.then) ? state.then.map((layer) => ({ ...layer, ...inLayer(layer) })) : state.then;
  return { ndim, input_size: resized(state.input_size), ...inLayer(state), then };
}
