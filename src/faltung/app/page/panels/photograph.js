import { element, fill, freshId } from "../dom.js";
import { messageOf, sameValue } from "../store.js";
import { blobOf } from "./downloads.js";
import { makeChooser } from "./chooser.js";

const WAIT_MS = 250;

/**
 * A photograph: made small, as the input; and at full resolution through the layer or a named kernel, with the time that it took.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 * @param {Promise<{name: string, title: string}[]>} kernels
 * @returns {Part}
 */
export function makePhotograph(root, store, kernels) {
  const id = freshId("kernel");
  const select = element("select", { id, onchange: () => void filter() }, element("option", { value: "" }, "the layer above"));
  const small = element("button", { type: "button", hidden: true, onclick: () => void asInput() }, "Use it as the input above, made small");
  const said = element("p", { class: "note", role: "status" });
  const before = makePicture("The photograph");
  const after = makePicture("The result");
  const pictures = element("div", { class: "pictures", hidden: true }, before.root, after.root);
  const kernel = element("div", { class: "line", hidden: true }, element("label", { for: id }, "Through"), select);
  const example = element("button", { type: "button", onclick: () => void take("example", null) }, "Use the example");
  const chooser = makeChooser("Choose a photograph …", "image/*", (file) => void load(file));
  root.append(
    element("h2", {}, "On a photograph"),
    element("p", { class: "note" }, "At full resolution, by the engine. The photograph stays on this machine."),
    element("div", { class: "line wraps" }, chooser, example, small), kernel, said, pictures,
  );
  /** What was loaded. @type {string | null} */
  let upload = null;
  /** The input that was made of it, and for which sizes. @type {{x: Values, of: string} | null} */
  let given = null;
  let count = 0;
  let timer = 0;
  let last = store.state;

  kernels.then((list) => select.append(...list.map(({ name, title }) => element("option", { value: name }, title))));

  /** @param {File} file */
  async function load(file) {
    fill(said, "is being read …");
    try {
      await take(await store.link.upload(await file.arrayBuffer()), file);
    } catch (error) {
      fill(said, messageOf(error));
    }
  }

  /**
   * @param {string} taken
   * @param {Blob | null} picture
   */
  async function take(taken, picture) {
    upload = taken;
    if (picture) before.show(picture, "");
    await filter();
    small.hidden = kernel.hidden = pictures.hidden;
  }

  async function filter() {
    if (!upload) return;
    const number = ++count;
    fill(said, "is being computed …");
    try {
      const asked = select.value ? { upload, kernel: select.value } : { upload, state: store.state };
      const answer = await store.link.ask("filter", asked);
      if (number !== count) return;
      if (answer.problem) return fill(said, [answer.problem.message, answer.problem.hint].filter(Boolean).join(" "));
      if (answer.original) before.show(blobOf(answer.original, "image/png"), "");
      const [height, width] = answer.size;
      const best = answer.runs > 1 ? `, the shortest of ${answer.runs} runs` : "";
      after.show(
        blobOf(answer.png, "image/png"),
        `${width} × ${height} in ${milliseconds(answer.seconds)} by ${answer.algorithm}${best}. Shown: ${answer.shown}. ${answer.note}`,
      );
      pictures.hidden = false;
      fill(said, "");
    } catch (error) {
      if (number === count) fill(said, messageOf(error));
    }
  }

  async function asInput() {
    if (!upload) return;
    const made = await madeSmall(upload);
    if (made) store.change({ x: made });
  }

  /**
   * @param {string} taken
   * @returns {Promise<Values>}
   */
  async function madeSmall(taken) {
    try {
      const of = sizesOf(store.state);
      const answer = await store.link.ask("photograph", { upload: taken, state: store.state });
      if (answer.problem) fill(said, [answer.problem.message, answer.problem.hint].filter(Boolean).join(" "));
      else {
        given = { x: answer.x, of };
        return answer.x;
      }
    } catch (error) {
      fill(said, messageOf(error));
    }
    return null;
  }

  /** An input made of the photograph follows the sizes; the result follows the layer. */
  async function follow() {
    if (store.state === last || !upload) return;
    last = store.state;
    if (given && given.of !== sizesOf(last) && sameValue(given.x, last.x)) {
      const made = await madeSmall(upload);
      if (made) store.amend({ x: made });
    }
    if (select.value) return;
    clearTimeout(timer);
    timer = setTimeout(() => !store.answer?.problem && void filter(), WAIT_MS);
  }

  const unsubscribe = store.subscribe(() => void follow());
  return {
    destroy() {
      unsubscribe();
      clearTimeout(timer);
      before.show(null, "");
      after.show(null, "");
    },
  };
}

/**
 * A picture with its words; the memory of the one before is given back.
 * @param {string} title
 */
function makePicture(title) {
  const image = element("img", { alt: title });
  const words = element("figcaption", {}, title);
  let url = "";
  return {
    root: element("figure", {}, image, words),
    /**
     * @param {Blob | null} blob
     * @param {string} said
     */
    show(blob, said) {
      if (url) URL.revokeObjectURL(url);
      url = blob ? URL.createObjectURL(blob) : "";
      image.src = url;
      fill(words, said ? `${title}: ${said}` : title);
    },
  };
}

/** @param {number} seconds */
function milliseconds(seconds) {
  return seconds < 1 ? `${(1000 * seconds).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

/** @param {State} state */
function sizesOf({ ndim, in_channels, input_size }) {
  return JSON.stringify([ndim, in_channels, input_size]);
}
