/** One tool call in the flow of an answer: a line that opens to arguments, outcome and error. */
import { element, setText } from "#element";
import { FileList, filesIn, withoutBytes } from "#files";
import { jsonView } from "#json_view";
import { costInWords } from "#money";
import { ProgressLine } from "#progress";
import { Question } from "#question";
import { said } from "#server_words";
import { mainArgument, progressOf, stateOf, timeOf } from "#tool_state";
import { gettext } from "#words";

export class ToolCard {
  /** `tools` holds what its question to a person needs. */
  constructor(tools) {
    this.icon = element("span", { class: "icon", "aria-hidden": "true" });
    this.name = element("span", { class: "tool-name" });
    this.argument = element("span", { class: "tool-argument" });
    this.word = element("span", { class: "unseen" });
    this.time = element("span", { class: "tool-time" });
    this.progress = new ProgressLine();
    this.body = element("div", { class: "tool-body" });
    this.details = element("details", { ontoggle: () => this.fill() },
      element("summary", {}, this.icon, this.name, this.argument, this.word, this.time), this.body);
    this.files = new FileList();
    this.question = new Question(tools);
    this.node = element("div", { class: "tool" }, this.details, this.progress.node, this.files.node, this.question.node);
  }

  update({ id, call, draft }) {
    if (call && call === this.call) return;
    this.call = call;
    this.draft = draft;
    this.node.id = `call-${id}`;
    const [mark, word] = stateOf(call);
    this.icon.className = `icon icon-${mark}`;
    this.node.dataset.state = mark;
    setText(this.name, call?.tool ?? draft.tool);
    setText(this.argument, mainArgument(call?.arguments ?? draft.input));
    setText(this.word, `, ${word}`);
    this.tick();
    this.progress.update(progressOf(call));
    this.files.show(call?.status === "succeeded" ? filesIn(call.result) : []);
    this.question.update(call);
    // Nobody should decide about what they have not seen.
    if (!this.question.node.hidden) this.details.open = true;
    this.fill();
  }

  /** The time of a running call goes on without news; what it cost stands beside it. */
  tick() {
    setText(this.time, [timeOf(this.call), costInWords(this.call?.usage)].filter(Boolean).join(" · "));
    this.question.tick();
  }

  fill() {
    if (!this.details.open) return;
    const { call, draft } = this;
    const written = call?.arguments ?? draft.input ?? draft.pieces?.join("") ?? "";
    const parts = [section(gettext("Arguments"), jsonView(written))];
    if (call?.error) parts.push(section(gettext("Error"), element("p", { class: "bad" }, said(call.error.message))));
    else if (call?.reason) parts.push(section(call.status === "denied" ? gettext("Denied") : gettext("Decision"), element("p", {}, call.reason)));
    else if (call?.status === "running" && call.result !== null) parts.push(section(gettext("Result so far"), jsonView(withoutBytes(call.result))));
    else if (call?.ended_at && call.status === "succeeded") parts.push(section(gettext("Result"), jsonView(withoutBytes(call.result))));
    if (call?.child) parts.push(section(gettext("Asked in"), element("p", {}, element("a", { href: `/threads/${call.child}/` }, gettext("a thread of its own")))));
    this.body.replaceChildren(...parts);
  }
}

const section = (title, content) => element("section", {}, element("h3", { class: "small-title" }, title), content);
