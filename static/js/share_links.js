/** Links for anybody to read a thread: its owner makes them and takes them back. */
import { attempt, request } from "#api";
import { copyButton } from "#code_block";
import { arrange, element } from "#element";
import { fullDay } from "#times";
import { fill, gettext } from "#words";

export class ShareLinks {
  /** `node` holds a form with `days`, a list, and a place for a new address; `complain(text)` says what went wrong. */
  constructor(node, { path, complain }) {
    Object.assign(this, { node, complain, path: `${path}/links` });
    this.form = node.querySelector("form");
    this.list = node.querySelector("ul");
    this.fresh = node.querySelector(".fresh-link");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.make();
    });
  }

  async open() {
    this.fresh.replaceChildren();
    await this.try(async () => this.draw((await request("GET", this.path)).links));
  }

  draw(links) {
    this.links = links;
    arrange(this.list, links.map((link) => this.row(link)));
  }

  row(link) {
    const until = link.expires_at ? fill(gettext("Link until %(day)s"), { day: fullDay(link.expires_at) }) : gettext("Link without an end");
    const made = fill(gettext("Made on %(day)s"), { day: fullDay(link.created_at) });
    const remove = element("button", { type: "button", class: "quiet", "aria-label": fill(gettext("Take back: %(link)s"), { link: until }), onclick: () => this.takeBack(link) }, gettext("Take back"));
    return element("li", {}, element("span", { class: "member-name", title: made }, until), remove);
  }

  make() {
    return this.try(async () => {
      const { url, ...link } = await request("POST", this.path, { days: Number(this.form.elements.days.value) || null });
      const field = element("input", { readonly: true, value: url, "aria-label": gettext("Address of the new link") });
      this.fresh.replaceChildren(field, copyButton(() => url), element("p", { class: "muted" }, gettext("It is shown this once.")));
      field.select();
      this.draw([link, ...this.links]);
    });
  }

  takeBack(link) {
    return this.try(async () => {
      await request("DELETE", `${this.path}/${link.id}`);
      this.fresh.replaceChildren();
      this.draw(this.links.filter(({ id }) => id !== link.id));
      this.form.querySelector("button").focus();
    });
  }

  try(act) {
    return attempt(this.complain, act);
  }
}
