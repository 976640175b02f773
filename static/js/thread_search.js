/** The search over titles and messages: its results stand in place of the list. */
import { request } from "#api";
import { element, setText } from "#element";
import { fullTime } from "#times";
import { fill, gettext, ngettext } from "#words";

const PAUSE = 150;

export class ThreadSearch {
  /** `field` is typed into; `node` shows what was found, in place of `instead`. */
  constructor({ field, node, instead }) {
    Object.assign(this, { field, node, instead });
    this.asked = 0;
    this.status = element("p", { class: "muted", role: "status" });
    this.found = element("div", {});
    node.append(this.status, this.found);
    field.addEventListener("input", () => this.typed());
    field.addEventListener("keydown", (event) => this.pressed(event));
    node.addEventListener("keydown", (event) => this.pressed(event));
  }

  typed() {
    clearTimeout(this.timer);
    const words = this.field.value.trim();
    this.asked += 1;
    this.node.hidden = !words;
    this.instead.hidden = Boolean(words);
    if (words) this.timer = setTimeout(() => this.ask(words, this.asked), PAUSE);
    else this.show({ titles: [], messages: [] });
  }

  async ask(words, number) {
    try {
      const found = await request("GET", `/api/search?${new URLSearchParams({ words })}`);
      if (number === this.asked) this.show(found);
    } catch (error) {
      if (number === this.asked) this.say(error.message);
    }
  }

  say(text) {
    setText(this.status, text);
    this.found.replaceChildren();
  }

  show({ titles, messages }) {
    const number = titles.length + messages.length;
    this.say(number === 0 ? gettext("Nothing was found.") : fill(ngettext("%(count)s result", "%(count)s results", number), { count: number }));
    this.found.append(...[section(gettext("Titles"), titles), section(gettext("Messages"), messages)].filter(Boolean));
  }

  /** Down and up go through the results, Escape back to the list. */
  pressed(event) {
    const stops = [this.field, ...this.found.querySelectorAll("a")];
    const at = stops.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && stops[at + step]) {
      event.preventDefault();
      stops[at + step].focus();
    } else if (event.key === "Escape" && this.field.value) {
      event.stopPropagation();
      this.field.value = "";
      this.typed();
      this.field.focus();
    } else if (event.key === "Enter" && event.target === this.field) {
      event.preventDefault();
      stops[1]?.click();
    }
  }
}

function section(title, found) {
  if (!found.length) return null;
  return element("section", {}, element("h2", { class: "small-title" }, title), element("ul", {}, ...found.map((each) => element("li", {}, result(each)))));
}

function result({ thread, title, message, snippet, at }) {
  const words = snippet.map(({ text, hit }) => (hit ? element("mark", {}, text) : text));
  const href = message ? `/threads/${thread}/#message-${message}` : `/threads/${thread}/`;
  if (!message) return element("a", { href, title: fullTime(at) }, element("span", { class: "entry-title" }, ...words));
  return element("a", { href, class: "found", title: fullTime(at) }, element("span", { class: "entry-title" }, title || gettext("New thread")), element("span", { class: "snippet" }, ...words));
}
