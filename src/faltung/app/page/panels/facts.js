import { element, fill, setStuck } from "../dom.js";

/**
 * Shapes with their sums, counts, reach.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @returns {Part}
 */
export function makeFacts(root, store) {
  const tables = element("div", { class: "facts" });
  root.append(element("h2", {}, "Facts"), tables);
  /** @type {unknown} */
  let last = null;

  function show() {
    const facts = store.answer?.facts ?? [];
    setStuck(root, !facts.length);
    if (facts === last || !facts.length) return;
    last = facts;
    fill(tables, ...facts.map(factsTable));
  }

  show();
  return { destroy: store.subscribe(show) };
}

/**
 * A table of rows, each with its name, its value and the sum that it comes from.
 * @param {Facts} facts
 */
export function factsTable(facts) {
  const rows = facts.rows.map(({ name, value, sum }) =>
    element(
      "tr", {}, element("th", { scope: "row" }, name),
      element("td", {}, element("span", { class: "value" }, value), ...(sum ? [" ", element("span", { class: "sum" }, sum)] : [])),
    ),
  );
  return element("table", {}, element("caption", {}, facts.title), element("tbody", {}, ...rows));
}
