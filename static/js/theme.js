/** Light, dark, or as the machine has it; kept in this browser. `colours.js` sets it before anything is seen. */

const COLOURS = { light: "#fcfcfb", dark: "#16171a" };

/** `light`, `dark`, or empty. */
export const theme = () => document.documentElement.dataset.theme ?? "";

export function setTheme(name) {
  if (name) {
    localStorage.setItem("theme", name);
    document.documentElement.dataset.theme = name;
  } else {
    localStorage.removeItem("theme");
    delete document.documentElement.dataset.theme;
  }
  colourBars();
}

/** What browsers draw around the page. */
function colourBars() {
  for (const meta of document.querySelectorAll("meta[name=theme-color]")) {
    meta.content = COLOURS[theme() || (meta.media.includes("dark") ? "dark" : "light")];
  }
}

addEventListener("storage", ({ key, newValue }) => key === "theme" && setTheme(newValue ?? ""));
colourBars();
