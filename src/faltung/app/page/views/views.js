import { element, fill } from "../dom.js";

/**
 * The convolution, drawn.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 */
export function makeViews(root, store) {
  const title = element("h2", {});
  root.append(title);
  const show = () => fill(title, store.answer?.scene?.title ?? "");
  return { destroy: store.subscribe(show) };
}
