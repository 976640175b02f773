/** What a person is asked in the flow of an answer: whether a call may be made, or what to answer in its place. */
import { element, setText } from "#element";

const isOpen = (call) => call?.status === "awaiting_approval" || call?.status === "requested";

export class Question {
  /** `decide(calls, approved, reason)` and `answer(call, text)` tell the server; `mayWrite()` says whether this person is asked. */
  constructor({ decide, answer, mayWrite, operates }) {
    Object.assign(this, { decide, answer, mayWrite, operates });
    this.words = element("input", { type: "text", autocomplete: "off", maxlength: 1000 });
    this.label = element("label", {}, element("span", { class: "unseen" }), this.words);
    this.approve = element("button", { type: "button", onclick: () => this.tell(() => this.decide([this.call], true, "")) }, "Approve");
    this.deny = element("button", { type: "button", class: "quiet", onclick: () => this.tell(() => this.decide([this.call], false, this.words.value)) }, "Deny");
    this.reply = element("button", { type: "submit" }, "Answer");
    this.error = element("p", { class: "bad", role: "alert", hidden: true });
    this.node = element("form", { class: "question", hidden: true, onsubmit: (event) => this.submit(event) },
      this.label, this.approve, this.deny, this.reply, this.error);
  }

  update(call) {
    this.call = call;
    // What an agent asks a person is for operators to answer: the one who asked the agent could put words into their mouths.
    this.node.hidden = !isOpen(call) || !(call.status === "requested" ? this.operates : this.mayWrite());
    if (this.node.hidden) return;
    const approval = call.status === "awaiting_approval";
    for (const button of [this.approve, this.deny]) button.hidden = !approval;
    this.reply.hidden = approval;
    this.words.placeholder = approval ? "Reason, if you deny it" : "Your answer";
    setText(this.label.firstChild, this.words.placeholder);
  }

  submit(event) {
    event.preventDefault();
    // Enter in the reason must not approve.
    if (this.call.status === "requested" && this.words.value.trim()) this.tell(() => this.answer(this.call, this.words.value));
  }

  tell = (action) => telling(this.node, this.error, action);
}

/** All open approvals of one answer at once. */
export class AllQuestions {
  constructor({ decide, mayWrite }) {
    Object.assign(this, { mayWrite });
    this.words = element("span", {});
    this.error = element("p", { class: "bad", role: "alert", hidden: true });
    const button = (text, approved, kind) => element("button", { type: "button", class: kind, onclick: () => telling(this.node, this.error, () => decide(this.calls, approved, "")) }, text);
    this.node = element("div", { class: "question all-questions", hidden: true },
      this.words, button("Approve all", true), button("Deny all", false, "quiet"), this.error);
  }

  update(calls) {
    this.calls = calls.filter((call) => call?.status === "awaiting_approval");
    this.node.hidden = this.calls.length < 2 || !this.mayWrite();
    setText(this.words, `${this.calls.length} calls wait for approval`);
  }
}

async function telling(node, complaint, action) {
  const buttons = node.querySelectorAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  complaint.hidden = true;
  try {
    await action();
  } catch (error) {
    setText(complaint, error.message);
    complaint.hidden = false;
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}
