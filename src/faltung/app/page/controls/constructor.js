import { stateOfAddress } from "../address.js";
import { element, fill, freshId } from "../dom.js";
import { messageOf } from "../store.js";

/**
 * A field into which a constructor, a spec or a link of this page is pasted.
 * @param {HTMLElement} root
 * @param {import("../store.js").Store} store
 */
export function makeConstructor(root, store) {
  const id = freshId("constructor");
  const text = element("input", { type: "text", id, placeholder: "nn.Conv2d(3, 8, 3, stride=2)", autocomplete: "off", spellcheck: "false" });
  const said = element("p", { class: "wrong", role: "status" });
  const form = element(
    "form", { class: "field tall" }, element("label", { class: "label", for: id }, "Paste a PyTorch constructor"),
    element("div", { class: "line" }, text, element("button", {}, "Read")), said,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void read();
  });
  // Enter would send the form off anyway, but not in every notebook.
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    void read();
  });
  // What is pasted is read at once.
  text.addEventListener("paste", () => setTimeout(read));
  root.append(form);

  async function read() {
    const given = text.value.trim();
    if (!given) return;
    fill(said, "");
    try {
      const linked = given.includes("#") ? stateOfAddress(given.slice(given.indexOf("#"))) : null;
      if (linked) return store.replace(linked);
      const answer = await store.link.ask("read", { text: given, state: store.state });
      if (answer.problem) fill(said, [answer.problem.message, answer.problem.hint].filter(Boolean).join(" "));
      else store.replace(answer.state);
    } catch (error) {
      fill(said, messageOf(error));
    }
  }
}
