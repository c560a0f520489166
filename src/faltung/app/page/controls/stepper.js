import { element } from "../dom.js";

/**
 * A number with a button on either side.
 * @param {{label: string, min: number, max: number, change: (value: number) => void}} settings
 */
export function makeStepper(settings) {
  const { label, min, max } = settings;
  const input = element("input", { type: "number", inputmode: "numeric", min, max, step: 1, "aria-label": label, autocomplete: "off" });
  const send = (/** @type {number} */ value) => {
    const bounded = Math.min(Math.max(Math.round(value), min), max);
    if (Number.isFinite(bounded)) settings.change(bounded);
  };
  input.addEventListener("input", () => input.value.trim() !== "" && send(Number(input.value)));
  const step = (/** @type {number} */ by) => () => send((Number(input.value) || 0) + by);
  const less = element("button", { type: "button", class: "step", tabindex: -1, "aria-label": `${label}: less`, onclick: step(-1) }, "−");
  const more = element("button", { type: "button", class: "step", tabindex: -1, "aria-label": `${label}: more`, onclick: step(1) }, "+");
  let last = "";
  // What was typed and not taken, such as an empty field, gives way to what holds.
  input.addEventListener("blur", () => void (input.value = last));
  return {
    root: element("span", { class: "stepper" }, less, input, more),
    /** @param {unknown} value */
    show(value) {
      last = Number.isFinite(value) ? String(value) : "";
      // Setting a field lays out the page, even where it has that value already.
      if (input.value !== last && (document.activeElement !== input || Number(input.value) !== value)) input.value = last;
      less.disabled = Number(value) <= min;
      more.disabled = Number(value) >= max;
    },
  };
}
