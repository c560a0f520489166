import { followAddress, stateOfAddress } from "./address.js";
import { element } from "./dom.js";
import { HttpLink, takeToken } from "./link.js";
import { DEFAULTS, Store } from "./store.js";
import { makeForm } from "./controls/form.js";
import { makeViews } from "./views/views.js";

/**
 * Put a playground into `root`.
 * @param {HTMLElement} root
 * @param {Link} link
 * @param {PlaygroundOptions} [options]
 * @returns {{store: Store, destroy: () => void}}
 */
export function mountPlayground(root, link, options = {}) {
  const addressed = options.address ? stateOfAddress(location.hash) : null;
  const store = new Store(link, addressed ?? { ...structuredClone(DEFAULTS), ...options.state });
  root.classList.add("faltung-play");
  const controls = element("section", { class: "controls", "aria-label": "Controls" });
  const views = element("section", { class: "views", "aria-label": "Convolution" });
  root.replaceChildren(element("div", { class: "playground" }, controls, views));
  const ends = [makeForm(controls, store, options), makeViews(views, store)];
  if (options.address) ends.push(followAddress(store));
  store.refresh();
  return {
    store,
    destroy() {
      for (const end of ends) end.destroy();
      root.replaceChildren();
    },
  };
}

/** The page itself, where there is a place for it. */
function boot() {
  const root = document.getElementById("faltung");
  if (root) mountPlayground(root, new HttpLink(takeToken()), { address: true });
}

boot();
