import { element, fill, setStuck } from "../dom.js";

/**
 * Which algorithm the engine takes, and why not the others.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @returns {Part}
 */
export function makePlan(root, store) {
  const chosen = element("p", {});
  const rows = element("tbody", {});
  const head = element("tr", {}, ...["Algorithm", "Serves", "Why"].map((title) => element("th", { scope: "col" }, title)));
  const table = element("table", { class: "why" }, element("caption", {}, "Every algorithm"), element("thead", {}, head), rows);
  const more = element("details", {}, element("summary", {}, "Why, and why not the others"), element("div", { class: "scroll" }, table));
  root.append(element("h2", {}, "Plan of the engine"), chosen, more);
  /** @type {unknown} */
  let last = null;

  function show() {
    const plan = store.answer?.plan ?? null;
    setStuck(root, !plan);
    if (plan === last || !plan) return;
    last = plan;
    const isSeveral = plan.why.some(({ layer }) => layer);
    const taken = plan.why.filter(({ chosen: is }) => is);
    fill(
      chosen, element("strong", {}, plan.algorithm),
      ...(taken.length ? [`: ${taken.map(({ reason }) => reason).filter(Boolean).join("; ")}`] : []),
    );
    fill(
      rows,
      ...plan.why.map(({ algorithm, takes, chosen: is, reason, layer }) =>
        element(
          "tr", { class: is ? "chosen" : takes ? "" : "refused" },
          element("th", { scope: "row" }, isSeveral ? `layer ${(layer ?? 0) + 1}: ${algorithm}` : algorithm),
          element("td", {}, is ? "taken" : takes ? "yes" : "no"), element("td", {}, reason),
        ),
      ),
    );
  }

  show();
  return { destroy: store.subscribe(show) };
}
