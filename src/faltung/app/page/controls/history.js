import { element } from "../dom.js";

/**
 * Undo, redo and reset, as buttons and as keys.
 * @param {HTMLElement} root where the buttons stand
 * @param {EventTarget} place where the keys are heard
 * @param {import("../store.js").Store} store
 * @returns {Part}
 */
export function makeHistory(root, place, store) {
  const undo = element("button", { type: "button", title: "Undo (Ctrl+Z)", onclick: () => store.undo() }, "Undo");
  const redo = element("button", { type: "button", title: "Redo (Ctrl+Shift+Z)", onclick: () => store.redo() }, "Redo");
  const reset = element("button", { type: "button", title: "Back to the beginning", onclick: () => store.reset() }, "Reset");
  root.append(element("div", { class: "history", role: "group", "aria-label": "Changes" }, undo, redo, reset));

  const listen = (/** @type {Event} */ given) => {
    const event = /** @type {KeyboardEvent} */ (given);
    const key = event.key.toLowerCase();
    const again = (key === "z" && event.shiftKey) || key === "y";
    if (!(event.ctrlKey || event.metaKey) || event.altKey || (key !== "z" && key !== "y") || writes(event.target)) return;
    event.preventDefault();
    if (again) store.redo();
    else store.undo();
  };
  place.addEventListener("keydown", listen);

  const show = () => {
    undo.disabled = !store.canUndo;
    redo.disabled = !store.canRedo;
  };
  show();
  const unsubscribe = store.subscribe(show);
  return {
    destroy() {
      unsubscribe();
      place.removeEventListener("keydown", listen);
    },
  };
}

/**
 * Whether the keys belong to a text that is being written.
 * @param {EventTarget | null} target
 */
function writes(target) {
  return target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && target.type === "text" && target.value !== "");
}
