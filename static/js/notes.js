/** Notes of operators about a thread; neither its people nor any model see them. */
import { doubtfulButton } from "#action_button";
import { attempt, request } from "#api";
import { arrange, element } from "#element";
import { fullTime } from "#times";
import { gettext } from "#words";

export class Notes {
  /** `node` holds a list and a form with `note`. */
  constructor(node, { path, me }) {
    Object.assign(this, { me, path: `${path}/notes` });
    this.list = node.querySelector("ul");
    this.form = node.querySelector("form");
    this.error = node.querySelector(".form-error");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add();
    });
    this.load();
  }

  load() {
    return this.try(async () => {
      const { notes } = await request("GET", this.path);
      arrange(this.list, notes.map((note) => this.entry(note)));
    });
  }

  /** Another operator may have written one. */
  apply(frame) {
    if (frame.type === "inbox") this.load();
  }

  entry(note) {
    const remove = () => this.try(async () => {
      await request("DELETE", `${this.path}/${note.id}`);
      await this.load();
    });
    const own = note.author?.id === this.me.id;
    const about = element("span", { class: "muted" }, `${note.author?.name ?? gettext("Somebody")}, ${fullTime(note.created_at)}`);
    return element("li", {}, element("p", {}, note.text), about,
      own ? doubtfulButton("trash", gettext("Delete this note"), gettext("Delete?"), remove, { complain: (text) => this.complain(text) }) : null);
  }

  add() {
    const field = this.form.elements.note;
    const text = field.value.trim();
    if (!text) return field.focus();
    return this.try(async () => {
      await request("POST", this.path, { text });
      field.value = "";
      await this.load();
    });
  }

  try(act) {
    return attempt((text) => this.complain(text), act);
  }

  complain(text) {
    this.error.textContent = text;
    this.error.hidden = !text;
  }
}
