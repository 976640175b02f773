/** One message of a person (or of the system): a name, a time, plain text. */
import { copyButton } from "#code_block";
import { element, setText } from "#element";
import { clockTime, fullTime } from "#times";

export class MessageView {
  constructor({ me }) {
    this.me = me;
    this.author = element("span", { class: "author" });
    this.time = element("time", {});
    this.note = element("span", { class: "note" });
    this.text = element("div", { class: "said" });
    this.actions = element("div", { class: "actions" }, copyButton(() => this.text.textContent));
    this.node = element("article", { class: "message" },
      element("header", {}, this.author, this.time, this.note), this.text, this.actions);
  }

  /** Takes an item of the timeline: a stored row, or a message that is still on its way. */
  update({ kind, message }) {
    if (message === this.message) return;
    this.message = message;
    const outgoing = kind === "outgoing";
    const author = outgoing ? this.me : message.author;
    this.node.classList.toggle("own", author?.id === this.me.id);
    this.node.classList.toggle("outgoing", outgoing);
    setText(this.author, author?.name ?? (message.agent_name || message.role));
    setText(this.text, outgoing ? message.text : textOf(message));
    this.node.classList.toggle("of-person", message.provider === "human");
    setText(this.note, outgoing ? "Sending…" : message.error?.message ?? (message.provider === "human" ? "person" : ""));
    if (!outgoing) this.showTime(message.created_at);
  }

  showTime(iso) {
    this.time.dateTime = iso;
    this.time.title = fullTime(iso);
    setText(this.time, clockTime(iso));
  }
}

/** The words of a row: its text parts joined by a space. */
export const textOf = (row) => row.content.filter((part) => part.type === "text").map((part) => part.text).join(" ");
