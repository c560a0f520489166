import { element, fill } from "../dom.js";

// Rows of the facts, and what they are called where room is short.
/** @type {Record<string, string>} */
const SHORT = { output: "output", parameters: "parameters", "multiply-accumulates (MACs)": "MACs", "receptive field": "receptive field" };

/**
 * What matters most of the facts and the plan, on one line.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @returns {Part}
 */
export function makeSummary(root, store) {
  const list = element("dl", { class: "summary" });
  root.append(list);

  function show() {
    const { facts = [], plan = null } = store.answer ?? {};
    list.hidden = !facts.length;
    // Of several layers the last row counts: the last output, the sum of all.
    const rows = new Map(facts.flatMap((table) => table.rows).map((row) => [row.name, row]));
    const entries = Object.entries(SHORT).flatMap(([name, short]) => {
      const row = rows.get(name);
      return row ? [{ short, value: row.value.replace(/ input cells$/, ""), sum: row.sum }] : [];
    });
    if (plan) entries.push({ short: "computed by", value: plan.algorithm, sum: "" });
    fill(list, ...entries.map(({ short, value, sum }) => element("div", sum ? { title: sum } : {}, element("dt", {}, short), element("dd", {}, value))));
  }

  show();
  return { destroy: store.subscribe(show) };
}
