/**
 * Elements made without markup: text goes in as text, whatever it holds.
 */

/**
 * An element with attributes and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes] true: an empty attribute; false, null: none
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function nodeOf(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

/**
 * A button with an icon or with words.
 * @param {Record<string, string | number | boolean | null | undefined>} attributes
 * @param {...(Node | string)} children
 */
export function buttonOf(attributes, ...children) {
  return nodeOf("button", { type: "button", ...attributes }, ...children);
}

const ICON_SPACE = "http://www.w3.org/2000/svg";

/**
 * A drawing of 16 by 16 in the colour of the text around it, which says nothing to a screen reader.
 * @param {string} path
 */
export function iconOf(path) {
  const icon = document.createElementNS(ICON_SPACE, "svg");
  icon.setAttribute("viewBox", "0 0 16 16");
  icon.setAttribute("aria-hidden", "true");
  icon.setAttribute("class", "views-icon");
  const drawn = document.createElementNS(ICON_SPACE, "path");
  drawn.setAttribute("d", path);
  icon.append(drawn);
  return icon;
}

/**
 * Set the text of an element unless it has that text already: a screen reader speaks what changes.
 * @param {Element} node
 * @param {string} text
 */
export function sayIn(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
