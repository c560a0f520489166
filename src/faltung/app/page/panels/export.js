import { element, fill, freshId } from "../dom.js";
import { messageOf } from "../store.js";
import { blobOf, download } from "./downloads.js";

/** What each button asks for; the first two show the moment that the page shows. @type {Record<string, {format: string, isStill?: boolean}>} */
const FORMATS = {
  SVG: { format: "svg", isStill: true },
  PNG: { format: "png", isStill: true },
  "Moving SVG": { format: "svg" },
  GIF: { format: "gif" },
  HTML: { format: "html" },
  JSON: { format: "json" },
};

/**
 * Pictures, a page and data of the state, as files.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @param {() => "light" | "dark"} themeNow
 * @param {() => {reading: string | null, at: object}} momentNow what the page shows: the step, and what is held; of two readings which one
 * @returns {Part}
 */
export function makeExport(root, store, themeNow, momentNow) {
  const ids = [freshId("style"), freshId("theme")];
  const options = (/** @type {Record<string, string>} */ words) => Object.entries(words).map(([value, title]) => element("option", { value }, title));
  const style = element("select", { id: ids[0] }, ...options({ flat: "flat", stacked: "stacked" }));
  const theme = element("select", { id: ids[1] }, ...options({ "": "as this page", light: "light", dark: "dark" }));
  const said = element("span", { role: "status" });
  const bar = element("progress", { "aria-label": "A file is being made", hidden: true });
  let isBusy = false;
  const buttons = Object.keys(FORMATS).map((title) => element("button", { type: "button", onclick: () => void save(title) }, title));
  root.append(
    element("h2", {}, "Export"),
    element("div", { class: "line wraps" }, ...buttons),
    element(
      "div", { class: "line wraps" }, element("label", { for: ids[0] }, "Style"), style, element("label", { for: ids[1] }, "Colours"), theme,
    ),
    element("p", { class: "note" }, "SVG and PNG show the step and the cell that the page shows; Moving SVG and GIF all steps."),
    element("p", { class: "note line" }, bar, said),
  );

  /** @param {string} title */
  async function save(title) {
    const { format, isStill } = FORMATS[title];
    isBusy = true;
    show();
    fill(said, `${title} is being made …`);
    try {
      const looks = { format, style: style.value, theme: theme.value || themeNow() };
      const { at, reading } = momentNow();
      const still = { at, state: reading ? { ...store.state, reading } : store.state };
      const answer = await store.link.ask("export", { state: store.state, ...looks, ...(isStill ? still : {}) });
      if (answer.problem) fill(said, [answer.problem.message, answer.problem.hint].filter(Boolean).join(" "));
      else {
        download(answer.name, blobOf(answer.base64, answer.mime));
        fill(said, `${answer.name} is downloaded.`);
      }
    } catch (error) {
      fill(said, messageOf(error));
    }
    isBusy = false;
    show();
  }

  function show() {
    for (const button of buttons) button.disabled = isBusy || !store.answer?.scene;
    bar.hidden = !isBusy;
    root.setAttribute("aria-busy", String(isBusy));
  }

  show();
  return { destroy: store.subscribe(show) };
}
