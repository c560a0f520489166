import { WidgetLink } from "./link.js";
import { mountPlayground } from "./main.js";

/**
 * A notebook's output: anywidget calls this for each place that shows the widget. The kernel's state and the page's follow each other.
 * @param {{model: any, el: HTMLElement}} place
 */
export function render({ model, el }) {
  const link = new WidgetLink(model);
  const root = document.createElement("div");
  el.append(root);
  const unwatch = followTheme(root);
  const unkeep = keepKeys(root);
  const playground = mountPlayground(root, link, { ...model.get("options"), state: model.get("state") });
  const { store } = playground;
  link.late = () => void (store.failure && store.refresh());
  // What came from the kernel is not sent back to it.
  let known = JSON.stringify(store.state);
  const unsubscribe = store.subscribe(() => {
    const now = JSON.stringify(store.state);
    if (now === known) return;
    known = now;
    model.set("state", store.state);
    try {
      model.save_changes();
    } catch {
      // Python is gone: the answer to the page's next question says so.
    }
  });
  const follow = () => {
    const told = model.get("state");
    if (JSON.stringify(told) === known) return;
    known = JSON.stringify(told);
    store.replace(told);
  };
  model.on("change:state", follow);
  return () => {
    model.off("change:state", follow);
    unsubscribe();
    unwatch();
    unkeep();
    playground.destroy();
    link.close();
    root.remove();
  };
}

/**
 * Letters, digits and arrows mean the page, not a command of JupyterLab, which would cut or insert cells; what is pressed with Control stays its.
 * @param {HTMLElement} root
 * @returns {() => void} ends it
 */
function keepKeys(root) {
  const keep = (/** @type {KeyboardEvent} */ event) => {
    const isPlain = !(event.ctrlKey || event.metaKey || event.altKey) && (event.key.length === 1 || /^(Arrow|Page|Home|End|Delete|Backspace)/.test(event.key));
    const [target] = event.composedPath();
    // It looks for this from the target on, and takes the command of the first element that has one.
    if (target instanceof Element && root.contains(target)) target.toggleAttribute("data-lm-suppress-shortcuts", isPlain);
  };
  window.addEventListener("keydown", keep, true); // before JupyterLab listens to it
  return () => window.removeEventListener("keydown", keep, true);
}

/**
 * Be light or dark as the notebook is, whatever the system says: as what lies behind the widget.
 * @param {HTMLElement} root
 * @returns {() => void} ends it
 */
function followTheme(root) {
  const follow = () => {
    const light = lightBehind(root.parentElement);
    if (light === null) delete root.dataset.theme;
    else root.dataset.theme = light > 0.5 ? "light" : "dark";
  };
  const watch = new MutationObserver(follow);
  // Notebooks say their theme in attributes of these, and some load its style sheet after that.
  for (const one of [document.documentElement, document.body]) watch.observe(one, { attributes: true });
  watch.observe(document.head, { childList: true });
  document.head.addEventListener("load", follow, true);
  follow();
  return () => {
    watch.disconnect();
    document.head.removeEventListener("load", follow, true);
  };
}

/**
 * How light the nearest background is that lets nothing through, from 0 to 1; null where there is none.
 * @param {Node | null} behind
 * @returns {number | null}
 */
function lightBehind(behind) {
  for (let at = behind; at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    const colour = at instanceof Element ? /^rgba?\(([\d., ]+)\)$/.exec(getComputedStyle(at).backgroundColor) : null;
    if (!colour) continue;
    const [red, green, blue, solid = 1] = colour[1].split(",").map(Number);
    if (solid > 0.5) return (0.3 * red + 0.6 * green + 0.1 * blue) / 255;
  }
  return null;
}
