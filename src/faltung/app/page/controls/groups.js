import { element, fill } from "../dom.js";
import { makeStepper } from "./stepper.js";

/**
 * From standard through grouped to depthwise: a slider over the numbers of groups that fit, and the number itself.
 * @param {import("./layers.js").LayerStore} store
 * @returns {import("./fields.js").Field}
 */
export function makeGroupsField(store) {
  const change = (/** @type {number} */ groups) => store.change({ groups });
  const stepper = makeStepper({ label: "Groups", min: 1, max: 64, change });
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "From standard through grouped to depthwise" });
  const words = element("span", { class: "note" });
  slider.addEventListener("input", () => change(fitting()[Number(slider.value)]));

  // Of other layers than the first, the answer tells none.
  function fitting() {
    const told = store.layer === 0 ? store.store.answer?.choices.groups : undefined;
    return told ?? [...new Set([1, store.state.groups])].sort((one, other) => one - other);
  }

  function show() {
    const { groups, in_channels: channels } = store.state;
    const offered = fitting();
    stepper.show(groups);
    slider.max = String(Math.max(offered.length - 1, 0));
    slider.disabled = offered.length < 2;
    const at = offered.indexOf(groups);
    slider.value = String(Math.max(at, 0));
    const name = groups === 1 ? "standard" : groups === channels ? "depthwise" : "grouped";
    slider.setAttribute("aria-valuetext", `${groups}: ${name}`);
    fill(words, slider.disabled && groups === 1 ? "standard: no other number fits these channels" : name);
  }

  return {
    root: element(
      "div", { class: "field tall", role: "group", "aria-label": "Groups" },
      element("div", { class: "line" }, element("span", { class: "label" }, "Groups"), stepper.root), slider, words,
    ),
    show,
  };
}
