/** One message of a person (or of the system): a name, a time, plain text. */
import { actionButton, doubtfulButton } from "#action_button";
import { showFace } from "#avatar";
import { copyButton } from "#code_block";
import { element, setText } from "#element";
import { FileList, isFilePart } from "#files";
import { MessageEditor } from "#message_editor";
import { roleOf, said } from "#server_words";
import { VersionPicker } from "#version_picker";
import { clockTime, fullTime } from "#times";
import { fill, gettext } from "#words";

export class MessageView {
  constructor(tools) {
    const { me } = tools;
    Object.assign(this, { me, tools });
    this.author = element("span", { class: "author" });
    this.face = element("span", { "aria-hidden": "true" });
    this.time = element("time", {});
    this.note = element("span", { class: "note" });
    this.text = element("div", { class: "said" });
    this.files = new FileList();
    this.versions = new VersionPicker();
    this.change = actionButton("pencil", gettext("Change this message"), () => this.edit(), tools);
    this.remove = doubtfulButton("trash", gettext("Delete this message"), gettext("Delete?"), () => tools.remove(this.message.id), tools);
    this.actions = element("div", { class: "actions" }, ...this.offers());
    this.foot = element("footer", { class: "message-foot" }, this.versions.node, this.actions);
    this.node = element("article", { class: "message" },
      element("header", {}, this.face, this.author, this.time, this.note), this.text, this.files.node, this.foot);
  }

  /** What a reader can do with it; in the playground a prompt can be tried again. */
  offers() {
    const { tools } = this;
    const copy = copyButton(() => this.text.textContent);
    if (tools.inspect) return [copy, actionButton("again", gettext("Try this prompt again"), () => tools.again(this.message), tools)];
    return [copy, actionButton("quote", gettext("Quote"), () => tools.quote(this.text.textContent), tools), this.change, this.remove];
  }

  /** Takes an item of the timeline: a stored row, or a message that is still on its way. */
  update({ kind, message, versions }) {
    this.versions.update(versions);
    if (message === this.message) return;
    this.message = message;
    const outgoing = kind === "outgoing";
    const author = outgoing ? this.me : message.author;
    this.node.classList.toggle("own", author?.id === this.me.id);
    this.node.classList.toggle("outgoing", outgoing);
    this.showAuthor(author?.name ?? (message.agent_name || roleOf(message)), author?.id);
    setText(this.text, outgoing ? message.text : textOf(message));
    this.text.hidden = !this.text.textContent || Boolean(this.editor);
    this.files.show(outgoing ? message.files : message.content.filter(isFilePart));
    this.node.classList.toggle("of-person", message.provider === "human");
    setText(this.note, outgoing ? gettext("Sending…") : noteOn(message));
    this.change.hidden = outgoing || message.role !== "user" || author?.id !== this.me.id || !this.tools.mayWrite();
    this.remove.hidden = outgoing || !this.tools.mayDelete(message);
    if (!outgoing) this.showTime(message.created_at);
  }

  showAuthor(name, id) {
    setText(this.author, name);
    showFace(this.face, name, id ?? name, !id);
  }

  edit() {
    const { message } = this;
    this.editor = new MessageEditor(textOf(message), {
      save: (text) => this.tools.branch(message.id, text),
      closed: () => this.show(null),
    });
    this.show(this.editor);
    this.editor.open();
  }

  /** The editor in place of the text, or the text again. */
  show(editor) {
    this.foot.hidden = editor !== null;
    this.text.hidden = editor !== null || !this.text.textContent;
    if (editor) this.text.after(editor.node);
    else {
      this.editor.node.remove();
      this.editor = null;
      this.change.focus();
    }
  }

  showTime(iso) {
    this.time.dateTime = iso;
    this.time.title = fullTime(iso);
    setText(this.time, clockTime(iso));
  }
}

function noteOn({ error, provider, sent_by: sender }) {
  if (error) return said(error.message);
  if (provider === "human") return gettext("person");
  return sender ? fill(gettext("sent by %(name)s"), sender) : "";
}

/** The words of a row: its text parts joined by a space. */
export const textOf = (row) => row.content.filter((part) => part.type === "text").map((part) => part.text).join(" ");
