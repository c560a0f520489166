/**
 * The colours of the style sheet for what is drawn on a canvas.
 */
import { nodeOf } from "./nodes.js";

/** Colours by role, as the style sheet has them now. */
export class MatrixColours {
  /** @param {HTMLElement} parent whose scheme, light or dark, counts */
  constructor(parent) {
    this.probe = nodeOf("span", { class: "views-probe", "aria-hidden": "true" });
    parent.append(this.probe);
    /** @type {Map<string, string>} */
    this.found = new Map();
  }

  /** Forget what was found: the scheme may have changed. */
  read() {
    this.found.clear();
  }

  /** What tells light from dark. */
  scheme() {
    this.probe.className = "views-probe views-probe-ink";
    return getComputedStyle(this.probe).backgroundColor;
  }

  /** @param {string} role */
  of(role) {
    let colour = this.found.get(role);
    if (colour === undefined) {
      this.probe.className = `views-probe views-probe-${role} views-role-${role}`;
      colour = getComputedStyle(this.probe).backgroundColor;
      this.found.set(role, colour);
    }
    return colour;
  }
}
