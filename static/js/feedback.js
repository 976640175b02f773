/** Two thumbs under an answer, and a line to say why. */
import { actionButton } from "#action_button";
import { element } from "#element";
import { gettext } from "#words";

const QUESTIONS = { 1: gettext("What was good about it?"), [-1]: gettext("What was wrong with it?") };

export class Feedback {
  /** `rate(value, comment)` saves what one thinks; the value 0 takes it back. */
  constructor(rate, tools) {
    this.given = null;
    this.good = actionButton("up", gettext("Good answer"), () => this.press(1), tools);
    this.bad = actionButton("down", gettext("Bad answer"), () => this.press(-1), tools);
    this.node = element("div", {}); // holds the form while one is asked
    Object.assign(this, { rate, tools });
  }

  /** Takes what the reader thinks of this answer, or nothing. */
  update(given) {
    this.given = given ?? null;
    for (const [button, value] of [[this.good, 1], [this.bad, -1]]) button.setAttribute("aria-pressed", String(given?.value === value));
    if (!given) this.node.replaceChildren();
  }

  async press(value) {
    const again = this.given?.value === value;
    const comment = again ? "" : this.given?.comment ?? "";
    await this.rate(again ? 0 : value, comment);
    if (!again) this.ask(value, comment); // what was given is drawn with the next frame only
  }

  ask(value, comment) {
    const field = element("input", { maxlength: "2000", autocomplete: "off", value: comment, placeholder: QUESTIONS[value], "aria-label": QUESTIONS[value] });
    const close = actionButton("close", gettext("Close"), () => this.close(value), this.tools);
    const form = element("form", { class: "feedback" }, field, element("button", { type: "submit" }, gettext("Send")), close);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.say(value, field.value.trim());
    });
    form.addEventListener("keydown", (event) => event.key === "Escape" && this.close(value));
    this.node.replaceChildren(form);
    field.focus({ preventScroll: true });
  }

  close(value) {
    this.node.replaceChildren();
    (value === 1 ? this.good : this.bad).focus();
  }

  async say(value, comment) {
    try {
      await this.rate(value, comment);
      this.close(value);
    } catch (error) {
      this.tools.complain(error.message);
    }
  }
}
