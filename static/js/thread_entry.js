/** One thread in the list: a link with its state, a menu, a box while one selects, a field while one renames. */
import { element, setText } from "#element";
import { menuButton } from "#menu";
import { newest } from "#versions";
import { fill, gettext } from "#words";

export class ThreadEntry {
  /** `list` is asked for what the menu offers, and told of what is ticked. */
  constructor(list, isCurrent) {
    Object.assign(this, { list, isCurrent });
    this.title = element("span", { class: "entry-title" });
    this.state = element("span", { class: "dot", role: "img" });
    this.link = element("a", { "aria-current": isCurrent ? "page" : null }, this.title, this.state);
    this.menu = menuButton(gettext("Actions"), () => list.actions(this));
    this.box = element("input", { type: "checkbox", hidden: true, onchange: () => list.tick(this.thread, this.box.checked) });
    this.field = null; // while one renames
    this.link.addEventListener("click", (event) => this.list.selected && this.tickInstead(event));
    this.node = element("li", { class: "entry" }, this.box, this.link, this.menu);
  }

  update(thread) {
    this.thread = thread;
    const title = thread.title || gettext("New thread");
    const fresh = !this.isCurrent && isNew(thread);
    this.link.href = `/threads/${newest(thread)}/`;
    setText(this.title, title);
    this.link.title = title;
    this.menu.setAttribute("aria-label", fill(gettext("Actions for %(title)s"), { title }));
    this.node.classList.toggle("is-new", fresh);
    this.state.hidden = !thread.running && !fresh;
    this.state.classList.toggle("is-running", thread.running);
    this.state.setAttribute("aria-label", thread.running ? gettext("answering") : gettext("new"));
    this.select();
  }

  /** Boxes in place of menus, while the list says so. */
  select() {
    const { selected } = this.list;
    this.box.hidden = selected === null;
    this.menu.hidden = selected !== null || this.field !== null;
    this.box.disabled = !this.list.owns(this.thread);
    this.box.checked = Boolean(selected?.has(this.thread.id));
    this.box.setAttribute("aria-label", fill(gettext("Select %(title)s"), { title: this.thread.title || gettext("New thread") }));
  }

  tickInstead(event) {
    event.preventDefault();
    if (!this.box.disabled) this.box.click();
  }

  startRenaming() {
    this.field = element("input", { class: "entry-field", "aria-label": gettext("Title"), maxlength: "200", value: this.thread.title });
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.field.addEventListener("blur", () => this.stopRenaming());
    this.link.after(this.field);
    for (const node of [this.link, this.menu]) node.hidden = true;
    this.field.select();
  }

  pressed(event) {
    if (event.isComposing) return;
    const title = this.field.value.trim();
    if (event.key === "Enter" && title !== this.thread.title) this.list.commands.rename(this.thread, title);
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.stopPropagation();
    this.stopRenaming();
    this.menu.focus();
  }

  stopRenaming() {
    const { field } = this;
    this.field = null; // first: taking it away is a blur, too
    field?.remove();
    for (const node of [this.link, this.menu]) node.hidden = false;
  }
}

/** Whether something was said that the reader has not seen. */
export const isNew = ({ mine, last_activity: lastActivity }) => Boolean(mine) && (mine.seen_at === null || mine.seen_at < lastActivity);
