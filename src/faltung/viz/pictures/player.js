(() => {
  "use strict";

  /**
   * Take over one player: the picture stops moving by CSS and shows the frame asked for.
   * @param {HTMLElement} player
   */
  function start(player) {
    const frames = Number(player.dataset.count);
    const seconds = Number(player.dataset.seconds);
    const loops = player.dataset.loop === "1";
    const groups = Array.from(player.querySelectorAll("g[data-frames]"), (group) => {
      const [first, end] = (group.getAttribute("data-frames") ?? "").split(" ").map(Number);
      return { group, first, end };
    });
    const words = Array.from(player.querySelectorAll(".faltung-words li"));
    const caption = /** @type {HTMLElement} */ (player.querySelector(".faltung-caption"));
    const controls = /** @type {HTMLElement | null} */ (player.querySelector(".faltung-controls"));
    const slider = /** @type {HTMLInputElement | null} */ (player.querySelector("input"));
    const count = player.querySelector(".faltung-count");
    const speed = /** @type {HTMLSelectElement | null} */ (player.querySelector("select"));
    const toggle = player.querySelector('[data-do="toggle"]');
    const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");
    let frame = 0;
    let playing = false;
    let timer = 0;

    /** @param {number} wanted */
    function show(wanted) {
      frame = Math.min(Math.max(wanted, 0), frames - 1);
      for (const { group, first, end } of groups) {
        group.setAttribute("visibility", first <= frame && frame < end ? "visible" : "hidden");
      }
      words.forEach((word, number) => {
        if (number === frame) word.setAttribute("aria-current", "step");
        else word.removeAttribute("aria-current");
      });
      const said = words[frame]?.textContent ?? "";
      caption.textContent = said;
      if (count) count.textContent = `${frame + 1} / ${frames}`;
      if (slider) {
        slider.value = String(frame + 1);
        slider.setAttribute("aria-valuetext", `${frame + 1} of ${frames}`);
      }
    }

    function wait() {
      window.clearTimeout(timer);
      if (playing) timer = window.setTimeout(tick, (1000 * seconds) / Number(speed?.value ?? 1));
    }

    function tick() {
      if (!player.isConnected) return; // the notebook has thrown this output away
      if (frame + 1 < frames) show(frame + 1);
      else if (loops) show(0);
      else return play(false);
      wait();
    }

    /** @param {boolean} wanted */
    function play(wanted) {
      playing = wanted && frames > 1;
      if (playing && !loops && frame === frames - 1) show(0);
      player.classList.toggle("faltung-playing", playing);
      toggle?.setAttribute("aria-label", playing ? "Pause" : "Play");
      // What changes by itself is not read aloud, what the reader asks for is.
      caption.setAttribute("aria-live", playing ? "off" : "polite");
      wait();
    }

    /** @param {number} wanted */
    function go(wanted) {
      play(false);
      show(wanted);
    }

    /** @type {Record<string, () => void>} */
    const actions = {
      first: () => go(0),
      back: () => go(frame - 1),
      toggle: () => play(!playing),
      forward: () => go(frame + 1),
      last: () => go(frames - 1),
    };
    /** @type {Record<string, string>} */
    const keys = { Home: "first", End: "last", ArrowLeft: "back", ArrowRight: "forward", " ": "toggle" };

    /** @param {KeyboardEvent} event */
    function press(event) {
      if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const action = keys[event.key];
      const target = event.composedPath()[0];
      if (!action || !(target instanceof Element)) return;
      // Space presses the button and opens the list that has the focus; a list has arrow keys of its own.
      if (target.closest("select") || (event.key === " " && target.closest("button, summary, a"))) return;
      event.preventDefault();
      event.stopPropagation();
      actions[action]();
    }

    player.addEventListener("click", (event) => {
      const target = event.target;
      if (!(target instanceof Element)) return;
      const button = target.closest("[data-do]");
      if (button) actions[button.getAttribute("data-do") ?? ""]();
    });
    slider?.addEventListener("input", () => go(Number(slider.value) - 1));
    speed?.addEventListener("change", wait);
    (player.dataset.page === "1" ? document : player).addEventListener("keydown", (event) => press(/** @type {KeyboardEvent} */ (event)));
    stillness.addEventListener("change", () => stillness.matches && play(false));

    if (slider) slider.max = String(frames);
    if (controls) controls.hidden = false;
    player.querySelector(".faltung-picture")?.setAttribute("tabindex", "0");
    player.classList.add("faltung-live");
    show(0);
    play(!stillness.matches);
  }

  const root = document.currentScript?.getRootNode();
  const place = root instanceof Document || root instanceof ShadowRoot ? root : document;
  for (const player of place.querySelectorAll(".faltung-player:not(.faltung-live)")) {
    if (player instanceof HTMLElement) start(player);
  }
})();
