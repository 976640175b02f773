/** What can be done on every page of the chat, by shortcut (`?`), by name (Ctrl + K), and in the menu below the list. */
import { csrfToken } from "#api";
import { element } from "#element";
import { Keys } from "#keys";
import { menuButton } from "#menu";
import { fits, Palette } from "#palette";
import { setTheme, theme } from "#theme";
import { fill, gettext } from "#words";

const at = (id) => document.getElementById(id);
const THEMES = [["", gettext("Colours: as the machine has them")], ["light", gettext("Colours: light")], ["dark", gettext("Colours: dark")]];
// Each in its own words.
const LANGUAGES = [["", gettext("as the browser has it")], ["en", "English"], ["de", "Deutsch"]];

/** `threads()` are those that are known, the newest first; `own()` gives what this page can do besides. */
export function startCommands({ threads, own }) {
  const keys = new Keys([
    { keys: "mod+k", label: gettext("Commands and threads"), act: () => palette.open() },
    { keys: "/", label: gettext("Search"), act: () => at("search")?.focus() },
    { keys: "mod+shift+o", label: gettext("New thread"), act: newThread },
    { keys: "alt+ArrowUp", label: gettext("Thread above"), act: () => neighbour(-1) },
    { keys: "alt+ArrowDown", label: gettext("Thread below"), act: () => neighbour(1) },
    { keys: "mod+.", label: gettext("Stop the answer"), act: () => press(at("stop")) },
    { keys: "Enter", label: gettext("Send") },
    { keys: "shift+Enter", label: gettext("New line") },
  ]);
  const settings = () => [
    ...THEMES.map(([name, label]) => ({ name: theme() === name ? "good" : "theme", label, act: () => setTheme(name) })),
    ...LANGUAGES.map(([code, name]) => ({ name: document.body.dataset.language === code ? "good" : "quote", label: fill(gettext("Language: %(name)s"), { name }), act: () => setLanguage(code) })),
    { name: "keys", label: gettext("Keyboard"), act: () => keys.show() },
  ];
  const palette = new Palette((text) => offered(text, [...own(), ...places(), ...settings()], threads()));
  at("settings").replaceWith(menuButton(gettext("Settings"), settings, "theme"));
}

/** Commands first, then threads, and a search through everything at last. */
function offered(text, commands, threads) {
  const open = (thread) => ({ name: "quote", label: thread.title || gettext("New thread"), hint: gettext("Thread"), act: () => location.assign(`/threads/${thread.id}/`) });
  const search = { name: "search", label: fill(gettext("Search for “%(text)s”"), { text }), act: () => searchFor(text) };
  const found = [...commands.filter(({ label }) => fits(text, label)), ...threads.filter(({ title }) => text && fits(text, title)).map(open)];
  return text && at("search") ? [...found.slice(0, 9), search] : found;
}

function places() {
  const links = [...document.querySelectorAll("a.inbox-link, .sidebar-foot a")];
  return [
    { name: "plus", label: gettext("New thread"), act: newThread },
    ...links.map((link) => ({ name: "forth", label: link.firstChild.textContent.trim() || link.childNodes[1].textContent.trim(), act: () => location.assign(link.href) })),
    { name: "panel", label: gettext("Activity"), act: () => press(document.querySelector("[data-toggle=activity]")) },
    { name: "back", label: gettext("Sign out"), act: () => document.querySelector(".sidebar-foot").requestSubmit() },
  ].filter(({ name }) => name !== "panel" || at("activity"));
}

/** Has the site's pages in another language from now on, and this one again. */
function setLanguage(code) {
  const values = { csrfmiddlewaretoken: csrfToken(), language: code, next: location.pathname };
  const fields = Object.entries(values).map(([name, value]) => element("input", { type: "hidden", name, value }));
  const form = element("form", { method: "post", action: document.body.dataset.setLanguage }, ...fields);
  document.body.append(form);
  form.submit();
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
