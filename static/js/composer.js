/** The message field: Enter sends, Shift + Enter breaks, and no word is lost when sending fails. */
import { Allowance } from "#allowance";
import { uuid7 } from "#uuid";

export class Composer {
  /**
   * `send({id, text})` delivers and throws ApiError when it couldn't; `draftKey` names the draft in this browser;
   * `limit` is the longest text the server takes.
   */
  constructor(form, { send, draftKey, limit }) {
    Object.assign(this, { form, send, draftKey, limit });
    this.field = form.elements.text;
    this.error = form.querySelector(".composer-error");
    this.allowance = new Allowance({
      node: form.querySelector(".composer-wait"),
      money: form.querySelector(".composer-money"),
      onFree: () => this.changed(),
    });
    this.button = form.querySelector("[type=submit]");
    this.refused = null; // the last message that could not be sent: sent again unchanged, it keeps its id
    this.field.value = sessionStorage.getItem(draftKey) ?? "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.field.addEventListener("input", () => this.changed());
    this.changed();
  }

  pressed(event) {
    // While an input method composes, Enter belongs to it (Safari says so by key code 229 only).
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit();
  }

  changed() {
    const { field } = this;
    sessionStorage.setItem(this.draftKey, field.value);
    const over = excess(field.value, this.limit);
    this.button.disabled = !field.value.trim() || over > 0;
    if (over > 0) this.complain(`Too long by ${over.toLocaleString()} characters.`);
    else this.complain("");
    if (!CSS.supports("field-sizing", "content")) grow(field);
  }

  complain(message) {
    this.error.textContent = message;
    this.error.hidden = !message;
    this.field.setAttribute("aria-invalid", message ? "true" : "false");
    if (!message) this.field.removeAttribute("aria-invalid");
  }

  async submit() {
    const text = this.field.value.trim();
    if (this.button.disabled) return;
    const id = this.refused?.text === text ? this.refused.id : uuid7();
    this.put("");
    try {
      await this.send({ id, text });
      this.refused = null;
      this.allowance.passed();
    } catch (error) {
      this.refused = { id, text };
      // Somebody may have gone on writing meanwhile.
      this.put([text, this.field.value].filter(Boolean).join("\n\n"));
      this.complain(explain(error));
      if (error.kind === "limit_exceeded") this.allowance.refuse(error);
    }
    this.field.focus();
  }

  /** Adds to what is in the field, and goes there. */
  insert(text) {
    this.put(this.field.value ? `${this.field.value.trimEnd()}\n\n${text}` : text);
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  /** Replaces what is in the field. */
  put(text) {
    this.field.value = text;
    this.changed();
  }
}

/** How many characters are too many, counted as the server does: an emoji is one. */
const excess = (text, limit) => (text.length > limit ? [...text].length - limit : 0);

function explain({ kind, message, retry_after: retryAfter }) {
  if (kind === "network") return "Not sent: no connection to the server. Your text is still here.";
  if (kind === "limit_exceeded") return "Not sent yet: you have sent or used a lot just now. Your text is still here.";
  return `Not sent: ${message}${retryAfter ? ` Try again in ${Math.ceil(retryAfter)} s.` : ""}`;
}

function grow(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
