import { element, freshId } from "./dom.js";

const KEPT = "faltung-theme";

/** Which theme the reader asked for: "light", "dark", or "auto". */
function keptTheme() {
  try {
    return localStorage.getItem(KEPT) ?? "auto";
  } catch {
    return "auto";
  }
}

/**
 * A choice between light, dark and what the system says; kept for the next visit.
 * @param {HTMLElement} bar where it stands
 * @param {HTMLElement} root which takes the theme
 */
export function makeTheme(bar, root) {
  const id = freshId("theme");
  const words = Object.entries({ auto: "auto", light: "light", dark: "dark" });
  const select = element("select", { id, onchange: () => take(select.value) }, ...words.map(([value, title]) => element("option", { value }, title)));
  bar.append(element("span", { class: "theme" }, element("label", { for: id }, "Theme"), select));

  /** @param {string} theme */
  function apply(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    select.value = root.dataset.theme ?? "auto";
  }

  /** @param {string} theme */
  function take(theme) {
    apply(theme);
    try {
      localStorage.setItem(KEPT, theme);
    } catch {
      // It holds until the page is left.
    }
  }

  apply(keptTheme());
}

/**
 * Whether `root` is light or dark now.
 * @param {HTMLElement} root
 * @returns {"light" | "dark"}
 */
export function themeOf(root) {
  const said = root.dataset.theme;
  if (said === "light" || said === "dark") return said;
  return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
