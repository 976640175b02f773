/** Shortcuts: one list is what they do, and what the sheet (`?`) shows. */
import { element, icon } from "#element";
import { gettext } from "#words";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
const NAMES = { mod: APPLE ? "⌘" : gettext("Ctrl"), shift: gettext("Shift"), alt: APPLE ? "⌥" : "Alt", arrowup: "↑", arrowdown: "↓" };

/**
 * `shortcuts` are `{keys, label, act}`: keys such as `mod+k`, `alt+ArrowUp` or `?`. Without `act` one is only shown. Those without `mod` and
 * `alt` do nothing while somebody writes.
 */
export class Keys {
  constructor(shortcuts) {
    this.shortcuts = [...shortcuts, { keys: "?", label: gettext("Show this sheet"), act: () => this.show() }];
    document.addEventListener("keydown", (event) => this.pressed(event));
  }

  pressed(event) {
    if (event.defaultPrevented || event.isComposing) return;
    const found = this.shortcuts.find(({ keys, act }) => act && matches(keys, event));
    if (!found || document.querySelector("dialog[open]") || (isWriting(event.target) && !/mod|alt/.test(found.keys))) return;
    event.preventDefault();
    found.act();
  }

  show() {
    this.sheet ??= sheet(this.shortcuts);
    this.sheet.showModal();
  }
}

const isWriting = (node) => node.matches?.("input, textarea, select, [contenteditable]");

function matches(keys, event) {
  const wanted = keys.toLowerCase().split("+");
  const key = wanted.at(-1);
  const mod = APPLE ? event.metaKey : event.ctrlKey;
  if (event.key.toLowerCase() !== key || mod !== wanted.includes("mod") || event.altKey !== wanted.includes("alt")) return false;
  // What stands on a key with Shift differs between keyboards.
  return key.length === 1 && !/[a-z]/.test(key) ? true : event.shiftKey === wanted.includes("shift");
}

function sheet(shortcuts) {
  const close = element("button", { type: "button", class: "icon-button", "aria-label": gettext("Close"), onclick: () => dialog.close() }, icon("close"));
  const rows = shortcuts.map(({ keys, label }) => element("li", {}, element("span", {}, label),
    element("span", { class: "keys" }, ...keys.split("+").map((key) => element("kbd", {}, NAMES[key.toLowerCase()] ?? (key.length === 1 ? key.toUpperCase() : key))))));
  const dialog = element("dialog", { class: "sheet", "aria-labelledby": "sheet-title" },
    element("article", {}, element("header", {}, element("h2", { id: "sheet-title" }, gettext("Keyboard")), close), element("ul", {}, ...rows)));
  document.body.append(dialog);
  return dialog;
}
