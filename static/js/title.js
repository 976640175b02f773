/** The thread's title; who may write can rename it in place. */
import { request } from "#api";
import { element, icon, setText } from "#element";
import { gettext } from "#words";

export class Title {
  constructor(store, { node, path, mayRename }) {
    Object.assign(this, { store, node, path });
    this.heading = node.querySelector("h1");
    this.pencil = element("button", { type: "button", class: "icon-button rename", "aria-label": gettext("Rename thread"), onclick: () => this.edit() }, icon("pencil"));
    this.field = element("input", { "aria-label": gettext("Title"), maxlength: "200", hidden: true });
    node.append(this.pencil, this.field);
    this.mayRename = mayRename;
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.field.addEventListener("blur", () => this.save());
    store.subscribe(({ run }) => run === null && this.draw());
    this.draw();
  }

  draw() {
    const title = this.store.thread?.title || gettext("New thread");
    setText(this.heading, title);
    document.title = `${title} · agentsite`;
    this.pencil.hidden = !this.mayRename() || !this.field.hidden;
  }

  edit() {
    this.field.value = this.store.thread.title;
    this.toggle(true);
    this.field.select();
  }

  toggle(editing) {
    this.field.hidden = !editing;
    this.heading.hidden = editing;
    this.field.removeAttribute("aria-invalid");
    this.draw();
    if (editing) this.field.focus();
  }

  pressed(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") this.save();
    if (event.key === "Escape") this.toggle(false);
  }

  async save() {
    if (this.field.hidden || this.saving) return;
    const title = this.field.value.trim();
    this.saving = true;
    try {
      if (title !== this.store.thread.title) await request("PATCH", this.path, { title });
      this.toggle(false);
      setText(this.heading, title || gettext("New thread"));
    } catch (error) {
      this.field.setAttribute("aria-invalid", "true");
      this.field.title = error.message;
    } finally {
      this.saving = false;
    }
  }
}
