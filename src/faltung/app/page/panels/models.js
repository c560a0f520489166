import { element, fill, freshId } from "../dom.js";
import { messageOf } from "../store.js";
import { showAudit } from "./audit.js";
import { acceptDrops, makeChooser } from "./chooser.js";

/** @typedef {{output_channel: number, input_channel: number}} ShownChannels */
/**
 * @typedef {object} OpenedLayer
 * @property {State | null} state
 * @property {Facts[]} facts
 * @property {string} note
 * @property {string} problem why it could not be opened; "" where it is
 * @property {string} title
 * @property {ShownChannels} channels
 * @property {(channels: ShownChannels) => Promise<void>} again opens it with other channels
 */

/**
 * A model from an ONNX file: its audit, and each of its convolutions in the playground with its own weights and input.
 * @param {HTMLElement} root
 * @param {Link} link
 * @param {(layer: OpenedLayer) => void} open shows a layer in the playground
 */
export function makeModels(root, link, open) {
  const ids = { shape: freshId("shape"), input: freshId("input"), range: freshId("range") };
  const said = element("p", { class: "note", role: "status" });
  const audit = element("div", { class: "audit" });
  const shape = element("input", { type: "text", id: ids.shape, placeholder: "as the file says", autocomplete: "off", spellcheck: "false", size: 16 });
  const input = element(
    "select", { id: ids.input }, element("option", { value: "example" }, "the example photograph"), element("option", { value: "" }, "made-up numbers"),
  );
  const range = element("select", { id: ids.range });
  const settings = element(
    "form", { class: "line wraps", hidden: true },
    element("label", { for: ids.shape }, "Shape of the input"), shape, element("button", {}, "Audit again"),
    element("label", { for: ids.input }, "What goes in"), input, makeChooser("A photograph of your own …", "image/*", (file) => void ownPhoto(file)),
    element("label", { for: ids.range }, "Its numbers"), range,
  );
  settings.addEventListener("submit", (event) => {
    event.preventDefault();
    void read();
  });
  root.append(
    element("h2", {}, "A model of your own"),
    element(
      "p", {}, "Drop an ONNX file here, or choose one: every layer is counted, and each convolution opens in the playground with its own weights "
      + "and what really goes into it. The file stays on this machine.",
    ),
    element("div", { class: "line wraps" }, makeChooser("Choose an ONNX file …", ".onnx", (file) => void load(file))), said, settings, audit,
  );
  acceptDrops(root, (file) => void load(file));
  /** What was loaded. @type {{upload: string, name: string} | null} */
  let model = null;

  /** @param {File} file */
  async function load(file) {
    await attempt(`${file.name} is being read …`, async () => {
      model = { upload: await link.upload(await file.arrayBuffer()), name: file.name };
      shape.value = "";
      fill(audit);
      return ask();
    });
  }

  /** @param {File} file */
  async function ownPhoto(file) {
    await attempt(`${file.name} is being read …`, async () => {
      const option = element("option", { value: await link.upload(await file.arrayBuffer()) }, file.name);
      input.append(option);
      input.value = option.value;
      return "";
    });
  }

  async function read() {
    await attempt("is being read …", ask);
  }

  /** @returns {Promise<string>} what is wrong */
  async function ask() {
    if (!model) return "";
    const answer = await link.ask("model", { ...model, ...(shape.value.trim() ? { input: shape.value.trim() } : {}) });
    settings.hidden = false;
    if (answer.problem) return problemWords(answer.problem);
    fill(range, ...answer.ranges.map((/** @type {{name: string, title: string}} */ one) => element("option", { value: one.name }, one.title)));
    showAudit(audit, answer, (name) => void show(name));
    return "";
  }

  /** @param {string} layer */
  async function show(layer) {
    await attempt(`${layer} is being opened …`, async () => {
      const given = { ...model, photo: input.value || null, range: range.value, ...(shape.value.trim() ? { input: shape.value.trim() } : {}) };
      let channels = { output_channel: 0, input_channel: 0 };
      const title = `${layer}, of ${model?.name}`;

      /** @param {ShownChannels} wanted */
      async function again(wanted) {
        const { problem, state, facts, note } = await link.ask("layer", { ...given, layer, ...wanted });
        if (!problem) channels = wanted;
        open({ state: state ?? null, facts: facts ?? [], note, title, channels, again, problem: problem ? problemWords(problem) : "" });
      }

      const answer = await link.ask("layer", { ...given, layer, ...channels });
      if (answer.problem) return problemWords(answer.problem);
      open({ ...answer, title, channels, again, problem: "" });
    });
  }

  /**
   * Say that something is done, do it, and say what went wrong.
   * @param {string} words
   * @param {() => Promise<string | void>} act
   */
  async function attempt(words, act) {
    fill(said, words);
    root.setAttribute("aria-busy", "true");
    try {
      fill(said, (await act()) || "");
    } catch (error) {
      fill(said, messageOf(error));
    }
    root.setAttribute("aria-busy", "false");
  }
}

/** @param {Problem} problem */
function problemWords({ message, hint }) {
  return [message, hint].filter(Boolean).join(" ");
}
