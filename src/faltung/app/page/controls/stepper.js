import { element } from "../dom.js";

/**
 * A number with a button on either side.
 * @param {{label: string, min: number, max: number, change: (value: number) => void}} settings
 */
export function makeStepper(settings) {
  const input = element("input", {
    type: "number", inputmode: "numeric", min: settings.min, max: settings.max, step: 1, "aria-label": settings.label, autocomplete: "off",
  });
  const send = (/** @type {number} */ value) => {
    const bounded = Math.min(Math.max(Math.round(value), settings.min), settings.max);
    if (Number.isFinite(bounded)) settings.change(bounded);
  };
  const step = (/** @type {number} */ by) => send(Number(input.value) + by);
  input.addEventListener("input", () => input.value.trim() !== "" && send(Number(input.value)));
  const less = element("button", { type: "button", class: "step", "aria-label": `${settings.label}: less`, onclick: () => step(-1) }, "−");
  const more = element("button", { type: "button", class: "step", "aria-label": `${settings.label}: more`, onclick: () => step(1) }, "+");
  return {
    root: element("span", { class: "stepper" }, less, input, more),
    /** @param {unknown} value */
    show(value) {
      const text = String(value);
      // While it is typed in, a number is not written over.
      if (document.activeElement !== input || Number(input.value) !== value) input.value = text;
      less.disabled = Number(value) <= settings.min;
      more.disabled = Number(value) >= settings.max;
    },
  };
}
