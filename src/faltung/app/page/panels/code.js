import { element, fill, setStuck } from "../dom.js";
import { makeTabs } from "../tabs.js";

/**
 * The same convolution as code for several frameworks, to copy.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @returns {Part}
 */
export function makeCode(root, store) {
  const text = element("code", {});
  const block = element("pre", { class: "code", tabindex: 0, role: "region", "aria-label": "Code" }, text);
  const copied = element("span", { class: "note", role: "status" });
  const copy = element("button", { type: "button", onclick: () => void take() }, "Copy");
  const place = element("div", {}, block, element("div", { class: "line" }, copy, copied));
  const bar = element("div", {});
  root.append(element("h2", {}, "Code"), bar, place);
  let framework = "NumPy";
  let names = "";

  function show() {
    const code = store.answer?.code ?? [];
    setStuck(root, !code.length);
    if (!code.length) return;
    if (names !== code.map((one) => one.framework).join()) {
      names = code.map((one) => one.framework).join();
      if (!code.some((one) => one.framework === framework)) framework = code[0].framework;
      fill(bar, makeTabs("Framework", code.map((one) => ({ name: one.framework, title: one.framework, panel: place })), framework, choose));
    }
    fill(text, code.find((one) => one.framework === framework)?.text ?? "");
    fill(copied, "");
  }

  /** @param {string} name */
  function choose(name) {
    framework = name;
    show();
  }

  async function take() {
    try {
      await navigator.clipboard.writeText(text.textContent ?? "");
      fill(copied, "copied");
    } catch {
      // No clipboard is given to some frames: the text is marked for the keys instead.
      getSelection()?.selectAllChildren(text);
      fill(copied, "marked: press Ctrl+C");
    }
  }

  show();
  return { destroy: store.subscribe(show) };
}
