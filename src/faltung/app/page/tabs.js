import { element, freshId } from "./dom.js";

/**
 * A list of tabs; arrow keys move among them. Several may show one panel.
 * @param {string} label
 * @param {{name: string, title: string, panel: HTMLElement}[]} tabs
 * @param {string} first the name of the one that is chosen at first
 * @param {(name: string) => void} choose
 */
export function makeTabs(label, tabs, first, choose) {
  const buttons = tabs.map(({ name, title, panel }) => {
    panel.id ||= freshId("panel");
    panel.setAttribute("role", "tabpanel");
    return element("button", { type: "button", role: "tab", id: freshId("tab"), "aria-controls": panel.id, onclick: () => select(name, false) }, title);
  });

  /**
   * @param {string} name
   * @param {boolean} focus
   */
  function select(name, focus) {
    mark(name, focus);
    choose(name);
  }

  /**
   * @param {string} name
   * @param {boolean} focus
   */
  function mark(name, focus) {
    tabs.forEach((tab, at) => {
      const is = tab.name === name;
      buttons[at].setAttribute("aria-selected", String(is));
      buttons[at].tabIndex = is ? 0 : -1;
      if (is) tab.panel.setAttribute("aria-labelledby", buttons[at].id);
      if (is && focus) buttons[at].focus();
    });
    const chosen = tabs.find((tab) => tab.name === name);
    for (const { panel } of tabs) panel.hidden = panel !== chosen?.panel;
  }

  const bar = element("div", { role: "tablist", class: "tabs", "aria-label": label }, ...buttons);
  bar.addEventListener("keydown", (event) => {
    const at = buttons.findIndex((button) => button === document.activeElement);
    const last = buttons.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    select(tabs[to].name, true);
  });
  mark(first, false);
  return bar;
}
