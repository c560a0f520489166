/**
 * Make an element. Text is set as text, never read as HTML; `on…` entries are listeners, true and false set and leave out an attribute.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

let identities = 0;

/**
 * An id that no other element of the document has.
 * @param {string} word
 */
export function freshId(word) {
  identities += 1;
  return `faltung-${word}-${identities}`;
}

/**
 * Put `children` in the place of what an element holds. Does nothing where the text stays the same and no child is an element.
 * @param {Element} parent
 * @param {...(Node | string)} children
 */
export function fill(parent, ...children) {
  if (children.every((child) => typeof child === "string") && !parent.children.length && parent.textContent === children.join("")) return;
  parent.replaceChildren(...children);
}

/**
 * What is shown of an earlier state, while the present one gives nothing, is dimmed and out of reach.
 * @param {HTMLElement} part
 * @param {boolean} isStuck
 */
export function setStuck(part, isStuck) {
  part.classList.toggle("stuck", isStuck);
  part.inert = isStuck;
}
