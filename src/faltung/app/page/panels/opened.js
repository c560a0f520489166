import { element, fill } from "../dom.js";
import { factsTable } from "./facts.js";

/**
 * Which layer of a model stands in the playground, and what is shown of it.
 * @param {HTMLElement} root
 */
export function makeOpened(root) {
  const title = element("h2", {});
  const note = element("p", {});
  const facts = element("div", { class: "facts" });
  const close = element("button", { type: "button", onclick: () => void (root.hidden = true) }, "Close");
  root.append(title, note, element("details", {}, element("summary", {}, "The whole layer"), facts), close);
  root.hidden = true;
  return {
    /** @param {import("./models.js").OpenedLayer} layer */
    show(layer) {
      fill(title, layer.title);
      fill(note, layer.note);
      fill(facts, ...layer.facts.map(factsTable));
      root.hidden = false;
    },
  };
}
