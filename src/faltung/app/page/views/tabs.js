/**
 * Several views of which one is open.
 */
import { buttonOf, nodeOf } from "./nodes.js";

let tabsMade = 0;

/** A list of tabs and the panel of the open one. */
export class TabsView {
  /**
   * @param {Record<string, HTMLElement>} panels by their title
   * @param {() => void} opened is called when another one is open
   */
  constructor(panels, opened) {
    const stem = `views-tab-${++tabsMade}`;
    this.panels = Object.values(panels);
    this.buttons = Object.keys(panels).map((title, number) =>
      buttonOf({ role: "tab", id: `${stem}-${number}`, "aria-controls": `${stem}-panel-${number}` }, title),
    );
    this.frames = this.panels.map((panel, number) =>
      nodeOf("div", { role: "tabpanel", id: `${stem}-panel-${number}`, "aria-labelledby": `${stem}-${number}` }, panel),
    );
    const list = nodeOf("div", { role: "tablist", class: "views-tablist", "aria-label": "Details" }, ...this.buttons);
    this.element = nodeOf("section", { class: "views-tabs" }, list, ...this.frames);
    this.opened = opened;
    list.addEventListener("click", (event) => {
      const number = this.buttons.findIndex((button) => event.target instanceof Node && button.contains(event.target));
      if (number >= 0) this.open(number);
    });
    list.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      const offered = this.buttons.filter((button) => !button.hidden);
      const next = offered[(offered.findIndex((button) => button.tabIndex === 0) + move + offered.length) % offered.length];
      this.open(this.buttons.indexOf(next));
      next.focus();
    });
    this.draw(0);
  }

  /** @param {number} number */
  open(number) {
    this.draw(number);
    this.opened();
  }

  /** @param {number} number */
  draw(number) {
    this.buttons.forEach((button, other) => {
      button.setAttribute("aria-selected", String(other === number));
      button.tabIndex = other === number ? 0 : -1;
      this.frames[other].hidden = other !== number;
    });
  }

  /**
   * Offer a panel, or take its tab away.
   * @param {HTMLElement} panel
   * @param {boolean} isOffered
   */
  offer(panel, isOffered) {
    const number = this.panels.indexOf(panel);
    this.buttons[number].hidden = !isOffered;
    if (!isOffered && this.isOpen(panel)) this.draw(0);
  }

  /** @param {HTMLElement} panel */
  isOpen(panel) {
    return !this.frames[this.panels.indexOf(panel)].hidden;
  }
}
