/** The dialog that says who belongs to a thread, and lets its owner change that. */
import { attempt, request } from "#api";
import { arrange, element } from "#element";
import { ShareLinks } from "#share_links";
import { fill, gettext } from "#words";

const ROLES = { owner: gettext("owner"), writer: gettext("reads and writes"), viewer: gettext("only reads") };

export class Share {
  constructor(store, { dialog, opener, path, me }) {
    Object.assign(this, { store, dialog, path, me });
    this.form = dialog.querySelector("form");
    this.error = dialog.querySelector("#share-error");
    this.list = dialog.querySelector("#members");
    this.rows = new Map();
    this.links = new ShareLinks(dialog.querySelector("#links"), { path, complain: (text) => this.complain(text) });
    opener.addEventListener("click", () => this.open());
    dialog.querySelector("[data-dialog-close]").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add();
    });
    store.subscribe(({ run }) => run === null && dialog.open && this.draw());
  }

  get isOwner() {
    return this.store.thread.members.some((member) => member.id === this.me.id && member.role === "owner");
  }

  open() {
    this.complain("");
    this.draw();
    this.dialog.showModal();
    if (this.isOwner) this.links.open();
  }

  draw() {
    this.form.hidden = this.links.node.hidden = !this.isOwner;
    const rows = this.store.thread.members.map((member) => this.row(member));
    arrange(this.list, rows);
  }

  row(member) {
    const key = `${member.id} ${member.role} ${this.isOwner}`;
    if (!this.rows.has(key)) this.rows.set(key, this.makeRow(member));
    return this.rows.get(key);
  }

  makeRow(member) {
    const removable = this.isOwner && member.role !== "owner";
    const remove = element("button", { type: "button", class: "quiet", "aria-label": fill(gettext("Remove %(name)s"), member), onclick: () => this.remove(member) }, gettext("Remove"));
    return element("li", {},
      element("span", { class: "member-name" }, member.name), element("span", { class: "muted" }, ROLES[member.role]), removable ? remove : null);
  }

  add() {
    const { username, role } = this.form.elements;
    if (!username.value.trim()) return this.complain(gettext("Whose name? Write it as they sign in."));
    return this.try(async () => {
      await request("POST", `${this.path}/members`, { username: username.value.trim(), role: role.value });
      username.value = "";
      username.focus();
    });
  }

  remove(member) {
    return this.try(() => request("DELETE", `${this.path}/members/${member.id}`));
  }

  /** The list itself changes when the thread's new row arrives, here as in every other tab. */
  try(act) {
    return attempt((text) => this.complain(text), act);
  }

  complain(message) {
    this.error.textContent = message;
    this.error.hidden = !message;
  }
}
