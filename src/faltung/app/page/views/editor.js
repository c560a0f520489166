/**
 * Numbers that can be changed where they stand: input, kernel and bias.
 */
import { nodeOf } from "./nodes.js";
import { fullNumber, readNumber } from "./numbers.js";

let editorsOpened = 0;

/**
 * Open a field in a cell. Enter and leaving it take the number, Escape does not; what is no number is told.
 * @param {HTMLElement} cell
 * @param {import("./numbers.js").CellValue} value what stands there
 * @param {string | null} typed what was typed already
 * @param {(value: number) => void} take
 */
export function openEditor(cell, value, typed, take) {
  if (cell.querySelector("input")) return;
  const name = `views-wrong-${++editorsOpened}`;
  const label = (cell.getAttribute("aria-label") ?? "value").replace(/:.*$/s, "");
  const field = nodeOf("input", {
    class: "views-editor",
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": `New value of ${label}`,
    "aria-describedby": name,
  });
  const wrong = nodeOf("span", { class: "views-wrong", id: name, role: "alert", hidden: true });
  field.value = typed ?? fullNumber(value);
  cell.append(field, wrong);
  cell.setAttribute("data-editing", "");
  let isOpen = true;

  /** @param {boolean} hasFocus */
  const close = (hasFocus) => {
    if (!isOpen) return;
    isOpen = false;
    field.remove();
    wrong.remove();
    cell.removeAttribute("data-editing");
    if (hasFocus) cell.focus();
  };
  const finish = (/** @type {boolean} */ isLeaving) => {
    if (!isOpen) return;
    const read = readNumber(field.value);
    if (read === null) {
      // Somebody who has gone elsewhere is not called back.
      if (isLeaving) return close(false);
      wrong.hidden = false;
      wrong.textContent = field.value.trim() ? `“${field.value}” is no number: write 3, −0.5 or 1e−3` : "Write a number, such as 3 or −0.5";
      field.setAttribute("aria-invalid", "true");
      return;
    }
    close(!isLeaving);
    if (read !== value) take(read);
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") {
      event.preventDefault();
      finish(false);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close(true);
    }
  });
  field.addEventListener("input", () => {
    wrong.hidden = true;
    field.removeAttribute("aria-invalid");
  });
  field.addEventListener("blur", () => finish(true));
  field.focus();
  if (typed === null) field.select();
  else field.setSelectionRange(field.value.length, field.value.length);
}

/**
 * A nested list with one number changed; the lists that lead to it are new, others shared.
 * @param {any} nested
 * @param {number[]} index
 * @param {number} value
 * @returns {any}
 */
export function withNumber(nested, index, value) {
  if (!index.length) return value;
  const copy = nested.slice();
  copy[index[0]] = withNumber(copy[index[0]], index.slice(1), value);
  return copy;
}
