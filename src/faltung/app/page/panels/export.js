import { element, fill, freshId } from "../dom.js";
import { messageOf } from "../store.js";
import { blobOf, download } from "./downloads.js";

const FORMATS = { svg: "SVG", png: "PNG", gif: "GIF", html: "HTML", json: "JSON" };

/**
 * Pictures, a page and data of the state, as files.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @param {() => "light" | "dark"} themeNow
 * @returns {Part}
 */
export function makeExport(root, store, themeNow) {
  const ids = [freshId("style"), freshId("theme")];
  const options = (/** @type {Record<string, string>} */ words) => Object.entries(words).map(([value, title]) => element("option", { value }, title));
  const style = element("select", { id: ids[0] }, ...options({ flat: "flat", stacked: "stacked" }));
  const theme = element("select", { id: ids[1] }, ...options({ "": "as this page", light: "light", dark: "dark" }));
  const said = element("p", { class: "note", role: "status" });
  const buttons = Object.entries(FORMATS).map(([format, title]) => element("button", { type: "button", onclick: () => void save(format) }, title));
  root.append(
    element("h2", {}, "Export"),
    element("div", { class: "line wraps" }, ...buttons),
    element(
      "div", { class: "line wraps" }, element("label", { for: ids[0] }, "Style"), style, element("label", { for: ids[1] }, "Colours"), theme,
    ),
    said,
  );

  /** @param {string} format */
  async function save(format) {
    for (const button of buttons) button.disabled = true;
    fill(said, "is being drawn …");
    try {
      const answer = await store.link.ask("export", { state: store.state, format, style: style.value, theme: theme.value || themeNow() });
      if (answer.problem) fill(said, [answer.problem.message, answer.problem.hint].filter(Boolean).join(" "));
      else {
        download(answer.name, blobOf(answer.base64, answer.mime));
        fill(said, `${answer.name} is downloaded.`);
      }
    } catch (error) {
      fill(said, messageOf(error));
    }
    show();
  }

  function show() {
    for (const button of buttons) button.disabled = !store.answer?.scene;
  }

  show();
  return { destroy: store.subscribe(show) };
}
