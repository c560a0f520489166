// Explorers stand in frames. A page opened from disk cannot look into them, so they tell their height and are told the theme.
(() => {
  const frames = () => [...document.querySelectorAll("figure.shown iframe")];
  const theme = () => document.body.dataset.theme ?? "auto";
  const tell = (frame) => frame.contentWindow?.postMessage({ faltung: "theme", theme: theme() }, "*");

  window.addEventListener("message", (event) => {
    const frame = frames().find((one) => one.contentWindow === event.source);
    if (!frame || event.data?.faltung !== "height" || !(event.data.height > 0)) return;
    frame.style.height = `${Math.ceil(event.data.height) + 2}px`;
    tell(frame);
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const frame of frames()) frame.addEventListener("load", () => tell(frame));
    new MutationObserver(() => frames().forEach(tell)).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
  });
})();

// What the theme leaves out for those who hear the page, or go through it by keyboard.
(() => {
  const say = (selector, name, value) => document.querySelectorAll(selector).forEach((one) => one.setAttribute(name, value));

  /** What is swept sideways can be reached by the tab key, and what is not does not stand in its way. */
  function reach() {
    for (const one of document.querySelectorAll("article :is(pre, .cell_output, .table-wrapper, .math-block, .faltung-table)")) {
      if (one.scrollWidth > one.clientWidth + 1) one.tabIndex = 0;
      else one.removeAttribute("tabindex");
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    say('.caption[role="heading"]', "aria-level", "2");
    say("aside.sidebar-drawer", "aria-label", "The book");
    say("aside.toc-drawer", "aria-label", "This page");
    reach();
  });
  for (const event of ["load", "resize"]) window.addEventListener(event, reach);
})();
