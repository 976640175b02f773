/** Two thumbs under an answer, and a line to say why. */
import { actionButton } from "#action_button";
import { element } from "#element";

const QUESTIONS = { 1: "What was good about it?", [-1]: "What was wrong with it?" };

export class Feedback {
  /** `rate(value, comment)` saves what one thinks; the value 0 takes it back. */
  constructor(rate, tools) {
    this.given = null;
    this.good = actionButton("up", "Good answer", () => this.press(1), tools);
    this.bad = actionButton("down", "Bad answer", () => this.press(-1), tools);
    this.field = element("input", { maxlength: "2000", autocomplete: "off" });
    const close = actionButton("close", "Close", () => this.ask(false), tools);
    const send = element("button", { type: "submit" }, "Send");
    this.form = element("form", { class: "feedback", hidden: true }, this.field, send, close);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.say();
    });
    this.form.addEventListener("keydown", (event) => event.key === "Escape" && this.ask(false));
    Object.assign(this, { rate, tools });
  }

  /** Takes what the reader thinks of this answer, or nothing. */
  update(given) {
    this.given = given ?? null;
    for (const [button, value] of [[this.good, 1], [this.bad, -1]]) button.setAttribute("aria-pressed", String(given?.value === value));
    if (!given) this.form.hidden = true;
  }

  async press(value) {
    const again = this.given?.value === value;
    await this.rate(again ? 0 : value, again ? "" : this.given?.comment ?? "");
    this.ask(!again, value);
  }

  ask(open, value = this.given?.value) {
    this.form.hidden = !open;
    if (!open) return (value === 1 ? this.good : this.bad).focus();
    this.field.value = this.given?.comment ?? "";
    this.field.placeholder = QUESTIONS[value];
    this.field.setAttribute("aria-label", QUESTIONS[value]);
    this.field.focus({ preventScroll: true });
  }

  async say() {
    try {
      await this.rate(this.given.value, this.field.value.trim());
      this.ask(false);
    } catch (error) {
      this.tools.complain(error.message);
    }
  }
}
