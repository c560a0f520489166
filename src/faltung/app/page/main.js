import { followAddress, stateOfAddress } from "./address.js";
import { element, setStuck } from "./dom.js";
import { HttpLink, takeToken } from "./link.js";
import { DEFAULTS, Store, wholeState } from "./store.js";
import { makeTabs } from "./tabs.js";
import { makeTheme, themeOf } from "./theme.js";
import { makeConstructor } from "./controls/constructor.js";
import { makeForm } from "./controls/form.js";
import { makeHistory } from "./controls/history.js";
import { makePresets } from "./controls/presets.js";
import { makeProblem } from "./controls/problem.js";
import { makeCode } from "./panels/code.js";
import { makeExport } from "./panels/export.js";
import { makeFacts } from "./panels/facts.js";
import { makeKeys } from "./panels/keys.js";
import { makeModels } from "./panels/models.js";
import { makeOpened } from "./panels/opened.js";
import { makePhotograph } from "./panels/photograph.js";
import { makePlan } from "./panels/plan.js";
import { makeSummary } from "./panels/summary.js";
import { makeViews } from "./views/views.js";

/**
 * Put a playground into `root`.
 * @param {HTMLElement} root
 * @param {Link} link who answers: a server, a notebook's kernel, a table
 * @param {PlaygroundOptions} [options]
 * @returns {{store: Store, destroy: () => void}}
 */
export function mountPlayground(root, link, options = {}) {
  const first = wholeState({ ...DEFAULTS, ...options.state });
  const store = new Store(link, (options.isPage && stateOfAddress(location.hash)) || first, first);
  const wants = (/** @type {string} */ part) => !options.parts || options.parts.includes(part);
  /** @type {Part[]} */
  const made = [];
  const make = (/** @type {Part | void} */ part) => void (part && made.push(part));

  const main = element(options.isPage ? "main" : "div", { class: "convolution" });
  root.classList.add("faltung-play");
  root.classList.toggle("faltung-whole", options.isPage === true);
  const head = element("header", { class: "head" });
  if (options.isPage) {
    head.append(element("h1", {}, "Faltung playground"));
    makeTheme(head, root);
    make(makeKeys(head));
    make(followAddress(store));
  }
  root.replaceChildren(head, main);
  const ask = (/** @type {string} */ question) => (link.isLive ? link.ask(question, {}).catch(() => ({})) : Promise.resolve({}));
  const named = ask("kernels").then(({ kernels = [], inputs = [] }) => ({ kernels, inputs }));
  const playground = element("div", { class: link.varying ? "playground few" : "playground" });
  main.append(playground);
  const centre = mountConvolution();
  if (options.isPage) mountTabs();

  /** Two tabs: the playground, and the reader's own model. */
  function mountTabs() {
    const models = element("div", { class: "models" });
    main.append(models);
    const tabs = [{ name: "convolution", title: "Convolution", panel: playground }, { name: "model", title: "Your model", panel: models }];
    const bar = makeTabs("Parts of the page", tabs, "convolution", () => {});
    head.querySelector("h1")?.after(bar);
    const place = element("section", { class: "opened", "aria-label": "A layer of the model" });
    centre.prepend(place);
    const opened = makeOpened(place);
    makeModels(models, link, (layer) => {
      if (layer.state) store.replace(layer.state);
      opened.show(layer);
      if (!playground.hidden) return;
      const first = /** @type {HTMLElement} */ (bar.firstElementChild);
      first.click();
      first.focus();
    });
  }

  function mountConvolution() {
    const side = element("section", { class: "controls", "aria-label": "Controls" });
    const centre = element("section", { class: "views", "aria-label": "The convolution, step by step" });
    const beside = element("div", { class: "panels" });
    playground.append(side, centre, beside);

    if (link.isLive || link.varying) makeControls(side);
    side.hidden = !side.childElementCount;
    const place = element("div", {});
    const drawn = element("div", { class: "drawn" });
    const summary = element("div", {});
    centre.append(place, summary, drawn);
    make(makeProblem(place, store));
    if (wants("summary")) make(makeSummary(summary, store));
    const views = makeViews(drawn, store, { page: options.isPage });
    make(views);
    make({ destroy: store.subscribe(() => dim(drawn)) });
    const panel = (/** @type {string} */ name, /** @type {(root: HTMLElement) => Part} */ build) => {
      if (!wants(name)) return;
      const section = element("section", { class: `panel ${name}` });
      beside.append(section);
      make(build(section));
    };
    panel("facts", (section) => makeFacts(section, store));
    panel("plan", (section) => makePlan(section, store));
    panel("code", (section) => makeCode(section, store));
    if (link.isLive) panel("export", (section) => makeExport(section, store, () => themeOf(root), () => views.moment));
    if (link.isLive && wants("photograph")) {
      const section = element("section", { class: "panel photograph" });
      playground.append(section);
      make(makePhotograph(section, store, named.then(({ kernels }) => kernels)));
    }
    beside.hidden = !beside.childElementCount;
    return centre;
  }

  /** @param {HTMLElement} side */
  function makeControls(side) {
    if (link.isLive) make(makeHistory(side, options.isPage ? document : root, store));
    if (link.isLive && wants("presets")) {
      const box = element("div", { class: "presets" });
      side.append(box);
      make(makePresets(box, store, ask("presets").then(({ presets = [] }) => presets)));
      make(makeConstructor(box, store));
    }
    if (!wants("controls")) return;
    const fields = element("details", { class: "fields", open: link.varying !== undefined || !isNarrow(root) }, element("summary", {}, "Controls"));
    side.append(fields);
    make(makeForm(fields, store, options, named));
  }

  /** @param {HTMLElement} drawn */
  function dim(drawn) {
    setStuck(drawn, !store.answer?.scene);
    main.setAttribute("aria-busy", String(store.busy));
  }

  store.refresh();
  return {
    store,
    destroy() {
      for (const part of made) part.destroy();
      root.replaceChildren();
    },
  };
}

/**
 * Whether the controls leave the picture no room, so that they begin closed.
 * @param {HTMLElement} root
 */
function isNarrow(root) {
  return root.clientWidth > 0 && root.clientWidth < 52 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/** The page itself, where there is a place for it. */
function boot() {
  const root = document.getElementById("faltung");
  if (!root) return;
  // The address of a server that was started anew differs in the token alone: a browser would not load the page for that.
  window.addEventListener("hashchange", () => /[#&]token=/.test(location.hash) && location.reload());
  mountPlayground(root, new HttpLink(takeToken()), { isPage: true });
}

boot();
