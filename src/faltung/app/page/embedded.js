import { TableLink } from "./link.js";
import { mountPlayground } from "./main.js";

/**
 * What a page holds that asks nobody: a table of answers, whose parts stand once in a pool.
 * @typedef {{pool: any[], answers: Record<string, number>[], places: number[], varying: Record<string, unknown[]>, base: State,
 *   options: PlaygroundOptions}} Embedded
 */

/**
 * The answers put together again.
 * @param {Embedded} data
 */
export function tableOf({ pool, answers, places, varying, base }) {
  const whole = answers.map((parts) => Object.fromEntries(Object.entries(parts).map(([name, at]) => [name, pool[at]])));
  return { varying, base, answers: places.map((at) => whole[at]) };
}

/** Mount what this page holds. */
export function mountEmbedded() {
  const root = document.getElementById("faltung-embedded");
  const data = document.getElementById("faltung-data");
  if (!root || !data) return;
  /** @type {Embedded} */
  const embedded = JSON.parse(data.textContent ?? "");
  mountPlayground(root, new TableLink(tableOf(embedded)), { ...embedded.options, state: embedded.base });
  if (window.parent !== window) agreeWithFrame(root);
}

/**
 * Pages opened from disk cannot look into each other: the one around this one is told the height, and tells the theme.
 * @param {HTMLElement} root
 */
function agreeWithFrame(root) {
  const tell = () => window.parent.postMessage({ faltung: "height", height: Math.ceil(root.getBoundingClientRect().height) }, "*");
  new ResizeObserver(tell).observe(root);
  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || event.data?.faltung !== "theme") return;
    const theme = event.data.theme;
    for (const one of [root, document.documentElement]) {
      if (theme === "light" || theme === "dark") one.dataset.theme = theme;
      else delete one.dataset.theme;
    }
  });
}
