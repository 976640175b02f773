/** Whatever can be done here, and wherever one can go, by some letters of its name. */
import { element, icon } from "#element";
import { gettext } from "#words";

const SHOWN = 10;

export class Palette {
  /** `choices(text)` gives `{name, label, hint, act}` for what was typed; the first ones are offered. `name` is an icon's. */
  constructor(choices) {
    this.choices = choices;
    this.list = element("ul", { id: "palette-list", role: "listbox", "aria-label": gettext("Commands") });
    this.field = element("input", {
      type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", "aria-label": gettext("Command or thread"),
      placeholder: gettext("Type a command or the title of a thread"), autocomplete: "off", spellcheck: "false", oninput: () => this.draw(),
    });
    this.node = element("dialog", { class: "palette", "aria-label": gettext("Commands") }, element("article", {}, this.field, this.list));
    this.node.addEventListener("click", ({ target }) => target === this.node && this.node.close());
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    document.body.append(this.node);
  }

  open() {
    this.field.value = "";
    this.draw();
    this.node.showModal();
    this.field.focus();
  }

  draw() {
    this.shown = this.choices(this.field.value.trim()).slice(0, SHOWN);
    this.list.replaceChildren(...this.shown.map((choice, n) => {
      const hint = choice.hint && element("span", { class: "muted" }, choice.hint);
      return element("li", { id: `choice-${n}`, role: "option", onclick: () => this.take(choice) }, icon(choice.name), element("span", { class: "entry-title" }, choice.label), hint);
    }));
    this.point(0);
  }

  point(at) {
    if (!this.shown.length) return this.field.removeAttribute("aria-activedescendant");
    this.at = (at + this.shown.length) % this.shown.length;
    for (const [n, node] of [...this.list.children].entries()) node.setAttribute("aria-selected", String(n === this.at));
    this.field.setAttribute("aria-activedescendant", `choice-${this.at}`);
    this.list.children[this.at].scrollIntoView({ block: "nearest" });
  }

  pressed(event) {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.point(this.at + step);
    else if (event.key === "Enter" && this.shown[this.at]) this.take(this.shown[this.at]);
    else return;
    event.preventDefault();
  }

  take({ act }) {
    this.node.close();
    act();
  }
}

/** Whether all words of `text` begin a word of `label`, or are in it from its third letter on. */
export function fits(text, label) {
  const name = label.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => !word || ` ${name}`.includes(` ${word}`) || (word.length > 2 && name.includes(word)));
}
