/** One small menu for the whole page: opened by a button, closed by a choice, Escape, or a press elsewhere. */
import { element, icon } from "#element";

const GAP = 4;
const node = element("div", { class: "menu", role: "menu", popover: "auto" });
let opener = null;

/** Opens at `button` with `items` of `{name, label, act, danger}`; those that are null are left out. */
export function openMenu(button, label, items) {
  opener = button;
  node.setAttribute("aria-label", label);
  node.replaceChildren(...items.filter(Boolean).map(entry));
  document.body.append(node);
  node.showPopover();
  place(button.getBoundingClientRect());
  button.setAttribute("aria-expanded", "true");
  node.firstElementChild.focus();
}

/** A button that opens a menu; `items()` is asked each time. */
export function menuButton(label, items, name = "more") {
  const button = element("button", { type: "button", class: "icon-button menu-button", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": label, title: label }, icon(name));
  button.addEventListener("click", () => openMenu(button, label, items()));
  return button;
}

function entry({ name, label, act, danger = false }) {
  const choose = () => {
    close();
    act();
  };
  return element("button", { type: "button", role: "menuitem", tabindex: "-1", class: danger ? "menu-item danger" : "menu-item", onclick: choose }, icon(name), label);
}

/** Below the button, or above it where there is no room; never outside of the page. */
function place(beside) {
  const { offsetWidth: width, offsetHeight: height } = node;
  const below = beside.bottom + GAP + height <= innerHeight;
  node.style.top = `${below ? beside.bottom + GAP : Math.max(GAP, beside.top - GAP - height)}px`;
  const edge = document.dir === "rtl" ? beside.left : beside.right - width;
  node.style.left = `${Math.max(GAP, Math.min(edge, innerWidth - width - GAP))}px`;
}

function close() {
  if (node.matches(":popover-open")) node.hidePopover();
}

node.addEventListener("toggle", (event) => {
  if (event.newState !== "closed") return;
  opener.setAttribute("aria-expanded", "false");
  if (document.activeElement === document.body || node.contains(document.activeElement)) opener.focus();
});
node.addEventListener("keydown", (event) => {
  const entries = [...node.children];
  const at = entries.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Tab") close();
  if (next === undefined) return;
  event.preventDefault();
  entries.at(next % entries.length).focus();
});
addEventListener("scroll", close, { capture: true, passive: true });
