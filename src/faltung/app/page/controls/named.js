import { element, freshId } from "../dom.js";

/** @typedef {{name: string, title: string, size?: number[]}} Named */

/**
 * Where the numbers of the input or of the weights come from: made up, named, or given one by one.
 * @param {import("./layers.js").LayerStore} store
 * @param {"x" | "weight"} field
 * @param {string} label
 * @param {Promise<Named[]>} offered
 * @returns {import("./fields.js").Field}
 */
export function makeNamedField(store, field, label, offered) {
  const id = freshId("named");
  const own = element("option", { value: "own", hidden: true }, "as entered");
  const select = element("select", { id, onchange: choose }, element("option", { value: "" }, "made-up numbers"), own);
  /** @type {Named[]} */
  let known = [];

  offered.then((list) => {
    known = list;
    select.append(...list.map(({ name, title, size }) => element("option", { value: `=${name}` }, size ? `${title} (${size.join("×")})` : title)));
    show();
  });

  function choose() {
    if (select.value === "own") return;
    const named = select.value.slice(1);
    /** @type {Partial<State>} */
    const part = { [field]: named ? { named } : null };
    const size = known.find(({ name }) => name === named)?.size;
    if (size && store.state.ndim === 2) part.kernel_size = size; // a kernel comes in its own size
    store.change(part);
  }

  function show() {
    const given = store.state[field];
    own.hidden = !given || "named" in given;
    select.value = !given ? "" : "named" in given ? `=${given.named}` : "own";
    if (select.selectedIndex < 0) {
      own.hidden = false;
      select.value = "own";
    }
  }

  return { root: element("div", { class: "field" }, element("label", { class: "label", for: id }, label), select), show };
}
