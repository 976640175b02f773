/** The message field: Enter sends, Shift + Enter breaks, and neither a word nor a file is lost when sending fails. */
import { Allowance } from "#allowance";
import { Attachments } from "#attachments";
import { Draft } from "#draft";
import { uuid7 } from "#uuid";
import { fill, gettext } from "#words";

export class Composer {
  /**
   * `send({id, text, files})` delivers and throws ApiError when it couldn't; `draft` names what is being written in this browser;
   * `limits` are the server's: the longest `prompt`, how many `files` of how many `file_bytes`.
   */
  constructor(form, { send, draft, limits }) {
    Object.assign(this, { form, send, limit: limits.prompt });
    this.field = form.elements.text;
    this.error = form.querySelector(".composer-error");
    this.allowance = new Allowance({
      node: form.querySelector(".composer-wait"),
      money: form.querySelector(".composer-money"),
      onFree: () => this.changed(),
    });
    this.button = form.querySelector("[type=submit]");
    this.refused = null; // the last message that could not be sent: sent again unchanged, it keeps its id
    this.waits = false; // for files that are still on their way
    this.draft = new Draft(draft, (written) => this.takeOver(written));
    this.files = new Attachments({
      node: form.querySelector(".attachments"),
      input: form.querySelector("[type=file]"),
      zone: form.closest("main"),
      limits,
      changed: () => this.refresh(),
      complain: (text) => this.complain(text),
    });
    const { text, files } = this.draft.read();
    this.field.value ||= text; // somebody may have begun before this script was there
    this.files.put(files);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    form.querySelector("#attach").addEventListener("click", () => form.querySelector("[type=file]").click());
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.field.addEventListener("input", () => this.changed());
    this.field.addEventListener("paste", (event) => this.pasted(event));
    this.changed();
  }

  pressed(event) {
    // While an input method composes, Enter belongs to it (Safari says so by key code 229 only).
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit();
  }

  /** Pictures and files; what comes with words besides (a table, say) is meant as words. */
  pasted(event) {
    const { files, types } = event.clipboardData;
    if (!files.length || types.includes("text/plain")) return;
    event.preventDefault();
    this.files.add([...files]);
  }

  /** What is there to be sent. */
  get content() {
    return { text: this.field.value.trim(), files: this.files.rows };
  }

  changed() {
    this.complain("");
    this.refresh();
  }

  refresh() {
    if (!this.files) return; // not all is made yet
    const { field, files } = this;
    this.draft.write({ text: field.value, files: files.rows });
    const over = excess(field.value, this.limit);
    this.button.disabled = (!field.value.trim() && !files.entries.length) || over > 0 || files.hasFailed || this.waits;
    if (over > 0) this.complain(fill(gettext("Too long by %(count)s characters."), { count: over }));
    if (!CSS.supports("field-sizing", "content")) grow(field);
    this.goOn();
  }

  /** Sends what was to be sent as soon as its files were here. */
  goOn() {
    if (!this.waits || this.files.isBusy) return;
    this.waits = false;
    this.refresh();
    this.submit();
  }

  complain(message) {
    this.error.textContent = message;
    this.error.hidden = !message;
    this.field.setAttribute("aria-invalid", message ? "true" : "false");
    if (!message) this.field.removeAttribute("aria-invalid");
  }

  async submit() {
    if (this.button.disabled) return;
    if (this.files.isBusy) {
      this.waits = true;
      this.refresh();
      return;
    }
    const { text, files } = this.content;
    const id = isSame(this.refused, { text, files }) ? this.refused.id : uuid7();
    this.files.take();
    this.put("");
    try {
      await this.send({ id, text, files });
      this.refused = null;
      this.allowance.passed();
    } catch (error) {
      this.refused = { id, text, files };
      // Somebody may have gone on writing meanwhile.
      this.put([text, this.field.value].filter(Boolean).join("\n\n"));
      this.files.put(files);
      this.complain(explain(error));
      if (error.kind === "limit_exceeded") this.allowance.refuse(error);
    }
    this.field.focus();
  }

  /** Another tab has written; nobody writes in two. */
  takeOver({ text, files }) {
    if (this.files.isBusy) return;
    this.files.take();
    if (this.field.value !== text) this.field.value = text;
    this.files.put(files); // and all of it is noted at once: what is written here comes back from there
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

const isSame = (one, other) => one?.text === other.text && one.files.map((row) => row.id).join() === other.files.map((row) => row.id).join();

/** How many characters are too many, counted as the server does: an emoji is one. */
const excess = (text, limit) => (text.length > limit ? [...text].length - limit : 0);

function explain({ kind, message, retry_after: retryAfter }) {
  if (kind === "network") return gettext("Not sent: no connection to the server. Your text is still here.");
  if (kind === "limit_exceeded") return gettext("Not sent yet: you have sent or used a lot just now. Your text is still here.");
  const told = fill(gettext("Not sent: %(message)s"), { message });
  return retryAfter ? `${told} ${fill(gettext("Try again in %(seconds)s s."), { seconds: Math.ceil(retryAfter) })}` : told;
}

function grow(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
