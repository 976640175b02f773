/** What can be done on every page of the chat, by shortcut (`?`), by name (Ctrl + K), and in the menu below the list. */
import { Keys } from "#keys";
import { menuButton } from "#menu";
import { fits, Palette } from "#palette";
import { setTheme, theme } from "#theme";

const at = (id) => document.getElementById(id);
const THEMES = [["", "as the machine has them"], ["light", "light"], ["dark", "dark"]];

/** `threads()` are those that are known, the newest first; `own()` gives what this page can do besides. */
export function startCommands({ threads, own }) {
  const keys = new Keys([
    { keys: "mod+k", label: "Commands and threads", act: () => palette.open() },
    { keys: "/", label: "Search", act: () => at("search")?.focus() },
    { keys: "mod+shift+o", label: "New thread", act: newThread },
    { keys: "alt+ArrowUp", label: "Thread above", act: () => neighbour(-1) },
    { keys: "alt+ArrowDown", label: "Thread below", act: () => neighbour(1) },
    { keys: "mod+.", label: "Stop the answer", act: () => press(at("stop")) },
    { keys: "Enter", label: "Send" },
    { keys: "shift+Enter", label: "New line" },
  ]);
  const settings = () => [
    ...THEMES.map(([name, label]) => ({ name: theme() === name ? "good" : "theme", label: `Colours: ${label}`, act: () => setTheme(name) })),
    { name: "keys", label: "Keyboard", act: () => keys.show() },
  ];
  const palette = new Palette((text) => offered(text, [...own(), ...places(), ...settings()], threads()));
  at("settings").replaceWith(menuButton("Settings", settings, "theme"));
}

/** Commands first, then threads, and a search through everything at last. */
function offered(text, commands, threads) {
  const open = (thread) => ({ name: "quote", label: thread.title || "New thread", hint: "Thread", act: () => location.assign(`/threads/${thread.id}/`) });
  const search = { name: "search", label: `Search for “${text}”`, act: () => searchFor(text) };
  const found = [...commands.filter(({ label }) => fits(text, label)), ...threads.filter(({ title }) => text && fits(text, title)).map(open)];
  return text && at("search") ? [...found.slice(0, 9), search] : found;
}

function places() {
  const links = [...document.querySelectorAll("a.inbox-link, .sidebar-foot a")];
  return [
    { name: "plus", label: "New thread", act: newThread },
    ...links.map((link) => ({ name: "forth", label: link.firstChild.textContent.trim() || link.childNodes[1].textContent.trim(), act: () => location.assign(link.href) })),
    { name: "panel", label: "Activity", act: () => press(document.querySelector("[data-toggle=activity]")) },
    { name: "back", label: "Sign out", act: () => document.querySelector(".sidebar-foot").requestSubmit() },
  ].filter(({ name }) => name !== "panel" || at("activity"));
}

const newThread = () => location.assign(document.querySelector("a.new-thread").href);
const press = (button) => button && !button.hidden && button.click();

function searchFor(text) {
  at("search").value = text;
  at("search").dispatchEvent(new Event("input", { bubbles: true }));
  at("search").focus();
}

function neighbour(step) {
  const links = [...document.querySelectorAll("#thread-list a[href], #inbox a[href]")];
  const here = links.findIndex((link) => link.getAttribute("aria-current") === "page");
  const next = links[here < 0 ? 0 : here + step];
  if (next) location.assign(next.href);
}
