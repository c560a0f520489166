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
  const playground = mountPlayground(root, link, { ...model.get("options"), state: model.get("state") });
  const { store } = playground;
  // What came from the kernel is not sent back to it.
  let known = JSON.stringify(store.state);
  const unsubscribe = store.subscribe(() => {
    const now = JSON.stringify(store.state);
    if (now === known) return;
    known = now;
    model.set("state", store.state);
    model.save_changes();
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
    playground.destroy();
    link.close();
    root.remove();
  };
}
