import { element, fill, freshId } from "../dom.js";
import { DEFAULTS, sameValue } from "../store.js";

// Where a preset leaves these to whoever looks at it, any will do: it is the same kind of convolution on other numbers.
const LEFT_OPEN = ["x", "weight", "bias_values", "reading"];

/**
 * The catalogue: kinds of convolution as buttons, layers of the literature in a list, and what is said of the one chosen.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @param {Promise<Preset[]>} offered
 * @returns {Part}
 */
export function makePresets(root, store, offered) {
  const id = freshId("preset");
  const buttons = element("div", { class: "kinds", role: "group", "aria-label": "Kind of convolution" });
  const select = element("select", { id, onchange: () => take(select.value) }, element("option", { value: "" }, "choose …"));
  const note = element("p", { class: "note", "aria-live": "polite" });
  const list = element("div", { class: "field" }, element("label", { class: "label", for: id }, "From the literature"), select);
  root.append(buttons, list, note);
  /** @type {Preset[]} */
  let presets = [];
  /** @type {Map<Preset, HTMLButtonElement>} */
  const buttonOf = new Map();

  offered.then((told) => {
    presets = told;
    const groups = [...new Set(told.map(({ group }) => group))];
    // The first group is the catalogue of kinds.
    for (const preset of told.filter(({ group }) => group === groups[0])) {
      buttonOf.set(preset, element("button", { type: "button", onclick: () => take(preset.name) }, preset.title.replace(/^(\S+(?: \S+)?) convolution$/, "$1")));
    }
    fill(buttons, ...buttonOf.values());
    for (const group of groups.slice(1)) {
      const options = told.filter((preset) => preset.group === group).map(({ name, title }) => element("option", { value: name }, title));
      select.append(element("optgroup", { label: group }, ...options));
    }
    list.hidden = groups.length < 2;
    show();
  });

  /** @param {string} name */
  function take(name) {
    const preset = presets.find((one) => one.name === name);
    if (preset) store.replace(preset.state);
  }

  let last = store.state;
  function show() {
    if (store.state === last && note.textContent) return;
    last = store.state;
    const current = presetOf(store.state, presets);
    for (const [preset, button] of buttonOf) button.setAttribute("aria-pressed", String(preset === current));
    select.value = current && !buttonOf.has(current) ? current.name : "";
    fill(note, current ? [current.note, current.source].filter(Boolean).join(" ") : "");
    note.hidden = !current;
  }

  return { destroy: store.subscribe(show) };
}

/**
 * The preset that a state is; of several the one that says most.
 * @param {State} state
 * @param {Preset[]} presets
 */
function presetOf(state, presets) {
  const fitting = presets.filter((preset) => isSet(state, preset.state));
  const said = (/** @type {Preset} */ preset) => LEFT_OPEN.filter((field) => !sameValue(preset.state[field], DEFAULTS[field])).length;
  return fitting.sort((one, other) => said(other) - said(one))[0];
}

/**
 * Whether a state, or one of its further layers, has all that a preset sets.
 * @param {Partial<State>} state
 * @param {Partial<State>} preset
 * @returns {boolean}
 */
function isSet(state, preset) {
  return Object.keys(DEFAULTS).every((field) => {
    const [wanted, has] = [preset[field] ?? null, state[field] ?? null];
    if (field === "then") {
      const [layers, others] = [preset.then ?? [], state.then ?? []];
      return Array.isArray(others) && layers.length === others.length && layers.every((layer, at) => isSet(others[at], layer));
    }
    if (LEFT_OPEN.includes(field) && sameValue(wanted, DEFAULTS[field])) return true;
    return sameValue(wanted, has);
  });
}
