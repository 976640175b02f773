/** A picture as large as the window allows. Arrow keys lead to the others of the page, Escape back to where one was. */
import { element, icon, setText } from "#element";
import { gettext } from "#words";

let box = null;

/** Opens the picture that a button shows small; `data-url` and `data-name` say which. */
export function openPicture(button) {
  box ??= new Lightbox();
  box.open(button);
}

class Lightbox {
  constructor() {
    this.image = element("img", { alt: "" });
    this.name = element("p", { class: "lightbox-name" });
    this.save = element("a", { class: "quiet", download: "" }, icon("down-to"), gettext("Save"));
    this.before = element("button", { type: "button", class: "icon-button", "aria-label": gettext("Previous picture"), onclick: () => this.go(-1) }, icon("back"));
    this.after = element("button", { type: "button", class: "icon-button", "aria-label": gettext("Next picture"), onclick: () => this.go(1) }, icon("forth"));
    const close = element("button", { type: "button", class: "icon-button", "aria-label": gettext("Close"), onclick: () => this.node.close() }, icon("close"));
    this.node = element("dialog", { class: "lightbox", "aria-label": gettext("Picture") },
      element("div", { class: "lightbox-bar" }, this.name, this.before, this.after, this.save, close), element("div", { class: "lightbox-place" }, this.image));
    this.node.addEventListener("click", ({ target }) => (target === this.node || target.className === "lightbox-place") && this.node.close());
    this.node.addEventListener("keydown", ({ key }) => {
      if (key === "ArrowLeft") this.go(-1);
      if (key === "ArrowRight") this.go(1);
    });
    document.body.append(this.node);
  }

  open(button) {
    this.button = button;
    const { url, name } = button.dataset;
    this.image.src = url;
    this.image.alt = name;
    setText(this.name, name);
    this.save.href = url;
    this.save.download = name;
    const others = this.others();
    for (const each of [this.before, this.after]) each.hidden = others.length < 2;
    if (!this.node.open) this.node.showModal();
  }

  others() {
    return [...document.querySelectorAll(".picture[data-url]")];
  }

  go(step) {
    const others = this.others();
    const at = others.indexOf(this.button);
    if (others.length > 1) this.open(others[(at + step + others.length) % others.length]);
  }
}
