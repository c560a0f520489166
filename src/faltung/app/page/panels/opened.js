import { makeStepper } from "../controls/stepper.js";
import { element, fill } from "../dom.js";
import { factsTable } from "./facts.js";

/**
 * Which layer of a model stands in the playground, which of its channels, and the way to others.
 * @param {HTMLElement} root
 */
export function makeOpened(root) {
  const title = element("h2", {});
  const note = element("p", {});
  const facts = element("div", { class: "facts" });
  const close = element("button", { type: "button", onclick: () => void (root.hidden = true) }, "Close");
  const at = { output_channel: 0, input_channel: 0 };
  /** @type {import("./models.js").OpenedLayer | null} */
  let layer = null;
  const steppers = /** @type {const} */ (["output_channel", "input_channel"]).map((name) => {
    const words = `${name === "output_channel" ? "Output" : "Input"} channel shown first`;
    const stepper = makeStepper({ label: words, min: 0, max: 65535, change: (value) => void layer?.again({ ...at, [name]: value }) });
    return { name, stepper, root: element("span", { class: "line" }, element("span", {}, words), stepper.root) };
  });
  root.append(
    title, note, element("div", { class: "line wraps" }, ...steppers.map((one) => one.root), close),
    element("details", {}, element("summary", {}, "The whole layer"), facts),
  );
  root.hidden = true;
  return {
    /** @param {import("./models.js").OpenedLayer} shown */
    show(shown) {
      layer = shown;
      Object.assign(at, shown.channels);
      fill(title, shown.title);
      fill(note, shown.problem || shown.note);
      note.classList.toggle("wrong", shown.problem !== "");
      if (!shown.problem) fill(facts, ...shown.facts.map(factsTable));
      for (const { name, stepper } of steppers) stepper.show(at[name]);
      root.hidden = false;
    },
  };
}
