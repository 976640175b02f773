/** Changes a prompt in its place: Enter sends it, Escape leaves everything as it was. */
import { element } from "#element";
import { fill, gettext } from "#words";

export class MessageEditor {
  /** `save(text)` sends it and throws when it couldn't; `closed()` is called when the editor is left. */
  constructor(text, { save, closed }) {
    Object.assign(this, { save, closed });
    this.field = element("textarea", { "aria-label": gettext("Change the message"), rows: "2" }, text);
    this.error = element("p", { class: "form-error", role: "alert", hidden: true });
    this.button = element("button", { type: "submit" }, gettext("Send"));
    this.node = element("form", { class: "editor" }, this.field, this.error, element("div", { class: "editor-foot" },
      element("span", { class: "muted" }, gettext("What was said so far stays as another version.")),
      element("button", { type: "button", class: "quiet", onclick: () => this.closed() }, gettext("Cancel")), this.button));
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener("keydown", (event) => this.pressed(event));
  }

  open() {
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  pressed(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") this.closed();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.submit();
  }

  async submit() {
    const text = this.field.value.trim();
    if (!text || this.button.disabled) return;
    this.button.disabled = true;
    try {
      await this.save(text);
    } catch (error) {
      this.error.textContent = fill(gettext("Not sent: %(message)s"), error);
      this.error.hidden = false;
      this.button.disabled = false;
    }
  }
}
