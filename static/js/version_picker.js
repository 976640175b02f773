/** ‹ 2/3 ›: links to the other versions of a conversation, where they part. */
import { element, icon, setText } from "#element";
import { gettext } from "#words";

export class VersionPicker {
  constructor() {
    this.back = element("a", { class: "icon-button" }, icon("back"));
    this.forth = element("a", { class: "icon-button" }, icon("forth"));
    this.count = element("span", {});
    this.node = element("nav", { class: "versions", "aria-label": gettext("Versions"), hidden: true }, this.back, this.count, this.forth);
  }

  /** Takes one of `choices`, or nothing. */
  update(choice) {
    this.node.hidden = !choice;
    if (!choice) return;
    const { ids, at, key } = choice;
    this.node.id = `after-${key}`;
    setText(this.count, `${at + 1}/${ids.length}`);
    lead(this.back, ids[at - 1], key, gettext("Version before this"));
    lead(this.forth, ids[at + 1], key, gettext("Version after this"));
  }
}

function lead(link, id, key, label) {
  if (id) link.href = `${document.body.dataset.threads ?? "/threads/"}${id}/#after-${key}`;
  else link.removeAttribute("href");
  link.setAttribute("aria-disabled", String(!id));
  link.setAttribute("aria-label", label);
}
