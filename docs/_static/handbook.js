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
