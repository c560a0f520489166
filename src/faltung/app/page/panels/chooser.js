import { element } from "../dom.js";

/**
 * A button that asks for a file, onto which a file can also be dropped.
 * @param {string} title
 * @param {string} accept
 * @param {(file: File) => void} take
 */
export function makeChooser(title, accept, take) {
  const input = element("input", { type: "file", accept, hidden: true, "aria-label": title });
  const button = element("button", { type: "button", class: "chooser", onclick: () => input.click() }, title);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) take(file);
    input.value = ""; // the same file can be chosen again
  });
  const place = element("span", { class: "drop" }, button, input);
  acceptDrops(place, take);
  return place;
}

/**
 * Take files that are dropped onto an element.
 * @param {HTMLElement} place
 * @param {(file: File) => void} take
 */
export function acceptDrops(place, take) {
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    place.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
}
