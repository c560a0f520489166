import { element, fill } from "../dom.js";
import { factsTable } from "./facts.js";

/** @typedef {{name: string, kind: string, operation: string, spec: string, input: string, output: string, parameters: string, macs: string, share: number, receptive_field: string, opens: boolean, why: string}} AuditRow */

const COLUMNS = /** @type {const} */ ([
  ["operation", "Operation"], ["input", "Input"], ["output", "Output"], ["parameters", "Parameters"], ["macs", "MACs"], ["share", "Share"],
  ["receptive_field", "Receptive field"],
]);

/**
 * The audit of a model, row by row; a layer that opens is a button.
 * @param {HTMLElement} root
 * @param {any} answer to "model"
 * @param {(layer: string) => void} open
 */
export function showAudit(root, answer, open) {
  /** @type {AuditRow[]} */
  const layers = answer.layers;
  const heads = ["Layer", ...COLUMNS.map(([, title]) => title)].map((title) => element("th", { scope: "col" }, title));
  const table = element(
    "table", { class: "layers-table" }, element("caption", {}, "Layers; each convolution opens in the playground"),
    element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...layers.map((layer) => auditRow(layer, open))),
  );
  const uncounted = answer.uncounted.map((/** @type {any} */ one) => element("li", {}, `${one.name} (${one.operation}): ${one.reason}`));
  fill(
    root,
    element("div", { class: "facts" }, factsTable({ title: answer.name, rows: answer.totals })),
    ...listed("Advice", answer.advice.map((/** @type {any} */ one) => element("li", {}, one.sentence))),
    ...answer.notes.map((/** @type {string} */ note) => element("p", { class: "note" }, note)),
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Layers" }, table),
    ...(answer.more ? [element("p", { class: "note" }, `${answer.more} further operations cost nothing or stand below.`)] : []),
    ...listed("Not counted", uncounted),
  );
}

/**
 * @param {AuditRow} layer
 * @param {(layer: string) => void} open
 */
function auditRow(layer, open) {
  const name = layer.opens ? element("button", { type: "button", onclick: () => open(layer.name) }, layer.name) : layer.name;
  const cells = COLUMNS.map(([field]) => {
    if (field !== "share") return element("td", {}, field === "operation" && layer.spec ? layer.spec : layer[field]);
    const bar = element("progress", { max: 1, value: layer.share, "aria-hidden": true });
    return element("td", { class: "share" }, bar, ` ${(100 * layer.share).toFixed(1)} %`);
  });
  return element("tr", layer.why ? { title: layer.why } : {}, element("th", { scope: "row" }, name), ...cells);
}

/**
 * @param {string} title
 * @param {HTMLElement[]} entries
 */
function listed(title, entries) {
  return entries.length ? [element("h3", {}, title), element("ul", {}, ...entries)] : [];
}
