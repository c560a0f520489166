import { element, fill } from "../dom.js";

/**
 * What is wrong with the state, with its arithmetic, and the changes that mend it, one click each.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @returns {Part}
 */
export function makeProblem(root, store) {
  const message = element("p", { class: "message" });
  const hint = element("p", { class: "hint" });
  const remedies = element("div", { class: "remedies" });
  const box = element("div", { class: "problem", hidden: true }, message, hint, remedies);
  // The region is there before anything is said in it, or it would not be read aloud.
  const place = element("div", { role: "status", class: "problem-place", tabindex: -1 }, box);
  root.append(place);
  /** What is shown, so that buttons stay while nothing changes. @type {unknown[]} */
  let last = [];

  function show() {
    const { answer, failure } = store;
    const problem = answer?.problem ?? answer?.unshown ?? null;
    const now = [failure, problem, store.canUndo];
    if (now.every((one, at) => one === last[at])) return;
    last = now;
    const had = remedies.contains(document.activeElement);
    box.hidden = !failure && !problem;
    if (box.hidden) {
      fill(message, "");
      if (had) place.focus();
      return;
    }
    box.classList.toggle("mild", !failure && !answer?.problem);
    fill(message, failure || problem?.message || "");
    fill(hint, failure ? "" : (problem?.hint ?? ""));
    hint.hidden = !hint.textContent;
    const button = (/** @type {string} */ label, /** @type {() => void} */ onclick) => element("button", { type: "button", onclick }, label);
    const buttons = failure ? [button("Try again", () => store.refresh())] : (problem?.remedies ?? []).map(({ label, state }) => button(label, () => store.replace(state)));
    if (answer?.problem && store.canUndo) buttons.push(button("take the last change back", () => store.undo()));
    else if (answer?.problem && !buttons.length) buttons.push(button("start anew", () => store.reset()));
    fill(remedies, ...buttons);
    if (had) buttons[0]?.focus();
  }

  return { destroy: store.subscribe(show) };
}
