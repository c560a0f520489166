import { DEFAULTS } from "./store.js";

// How each field of the state is written in the page's address: readable, and only what differs from the defaults.
const NUMBERS = ["ndim", "in_channels", "out_channels", "groups"];
const FLAGS = ["bias", "transposed", "flip"];
const AXES = ["input_size", "kernel_size", "stride", "dilation", "output_padding"];
const VALUES = ["x", "weight", "bias_values"];
const LAYER = [
  "out_channels", "kernel_size", "stride", "padding", "padding_mode", "dilation", "groups", "bias", "transposed", "output_padding", "flip", "weight",
  "bias_values",
];

/**
 * The state as the fragment of an address, without "#".
 * @param {State} state
 */
export function addressOf(state) {
  const parts = [];
  for (const [field, value] of Object.entries(state)) {
    if (JSON.stringify(value) === JSON.stringify(usual(field, state.ndim))) continue;
    parts.push(`${field}=${escapeValue(field === "then" ? writtenLayers(value, state.ndim) : written(field, value))}`);
  }
  return parts.join("&");
}

/**
 * The state that an address tells of; null where it tells of none. What it says wrongly is handed on as it is: Python says what is wrong.
 * @param {string} fragment
 * @returns {State | null}
 */
export function stateOfAddress(fragment) {
  /** @type {Record<string, unknown>} */
  const said = {};
  for (const part of fragment.replace(/^#/, "").split("&")) {
    const cut = part.indexOf("=");
    if (cut < 0) continue;
    const field = part.slice(0, cut);
    if (field in DEFAULTS) said[field] = readField(field, unescapeValue(part.slice(cut + 1)));
  }
  if (!Object.keys(said).length) return null;
  const ndim = Number(said.ndim ?? 2);
  const state = structuredClone(DEFAULTS);
  for (const field of Object.keys(DEFAULTS)) state[field] = said[field] ?? usual(field, ndim);
  if (Array.isArray(state.then)) state.then = state.then.map((layer) => (isPlain(layer) ? { ...usualLayer(ndim), ...layer } : layer));
  return state;
}

/**
 * A field's default for that many axes.
 * @param {string} field
 * @param {number} ndim
 */
function usual(field, ndim) {
  const value = /** @type {any} */ (DEFAULTS[field]);
  return (AXES.includes(field) || field === "padding") && ndim > 0 && ndim < 4 ? Array.from({ length: ndim }, () => structuredClone(value[0])) : value;
}

/**
 * The layers behind the first as JSON, without what is usual.
 * @param {any} layers
 * @param {number} ndim
 */
function writtenLayers(layers, ndim) {
  if (!Array.isArray(layers)) return JSON.stringify(layers);
  const isTold = (/** @type {[string, unknown]} */ [field, value]) => JSON.stringify(value) !== JSON.stringify(usual(field, ndim));
  return JSON.stringify(layers.map((layer) => (isPlain(layer) ? Object.fromEntries(Object.entries(layer).filter(isTold)) : layer)));
}

/** @param {number} ndim */
function usualLayer(ndim) {
  return Object.fromEntries(LAYER.map((field) => [field, usual(field, ndim)]));
}

/** @param {unknown} value */
function isPlain(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {string} field
 * @param {any} value
 * @returns {string}
 */
function written(field, value) {
  if (AXES.includes(field) && Array.isArray(value)) return value.join("x");
  if (field === "padding" && Array.isArray(value)) {
    return value.map((pair) => (Array.isArray(pair) ? (pair[0] === pair[1] ? String(pair[0]) : pair.join(",")) : String(pair))).join("x");
  }
  if (VALUES.includes(field) && value) return "named" in value ? value.named : JSON.stringify(value.values);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * @param {string} field
 * @param {string} text
 * @returns {unknown}
 */
function readField(field, text) {
  if (NUMBERS.includes(field)) return numeral(text);
  if (FLAGS.includes(field)) return text === "true" ? true : text === "false" ? false : text;
  if (AXES.includes(field)) return text.split("x").map(numeral);
  if (field === "padding" && /^[-0-9,x]+$/.test(text)) {
    return text.split("x").map((pair) => {
      const sides = pair.split(",").map(numeral);
      return sides.length === 1 ? [sides[0], sides[0]] : sides;
    });
  }
  if (VALUES.includes(field)) return /^[[\-0-9]/.test(text) ? { values: parsed(text) } : text === "null" ? null : { named: text };
  return field === "padding" || typeof DEFAULTS[field] === "string" ? text : parsed(text);
}

/** @param {string} text */
function numeral(text) {
  return /^-?\d{1,9}$/.test(text) ? Number(text) : text;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// Brackets, commas and parentheses may stand in a fragment as they are.
/** @param {string} text */
function escapeValue(text) {
  return encodeURIComponent(text).replace(/%(5B|5D|2C|3A|7B|7D|22)/g, (found) => (found === "%22" ? found : decodeURIComponent(found)));
}

/** @param {string} text */
function unescapeValue(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Keep the page's address and the state together: changes are steps that the browser's back button takes back.
 * @param {import("./store.js").Store} store
 */
export function followAddress(store) {
  let last = store.state;
  let following = false;
  const write = () => {
    if (store.state === last) return;
    last = store.state;
    if (following) return;
    const address = `#${addressOf(store.state)}`;
    if (store.continues) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  };
  const read = () => {
    following = true;
    store.replace(stateOfAddress(location.hash) ?? structuredClone(DEFAULTS));
    following = false;
  };
  const unsubscribe = store.subscribe(write);
  window.addEventListener("popstate", read);
  return {
    destroy() {
      unsubscribe();
      window.removeEventListener("popstate", read);
    },
  };
}
