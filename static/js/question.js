/** What a person is asked in the flow of an answer: whether a call may be made, or what to answer in its place. */
import { element, setText } from "#element";
import { timeLeft } from "#times";
import { fill, gettext, ngettext } from "#words";

// What each question asks for in words, and what its two buttons say.
const ASKS = {
  awaiting_approval: { words: gettext("Reason, if you deny it"), yes: gettext("Approve"), no: gettext("Deny") },
  requested: { words: gettext("Your answer") },
  unknown: { words: gettext("What you know of it, if you like"), yes: gettext("It took effect"), no: gettext("It did not") },
};

export class Question {
  /** `decide(calls, approved, reason)`, `answer(call, text)` and `settle(call, happened, note)` tell the server; `mayWrite()` says whether this person is asked. */
  constructor({ decide, answer, settle, mayWrite, operates }) {
    Object.assign(this, { decide, answer, settle, mayWrite, operates });
    this.words = element("input", { type: "text", autocomplete: "off", maxlength: 1000 });
    this.label = element("label", {}, element("span", { class: "unseen" }), this.words);
    this.approve = element("button", { type: "button", onclick: () => this.press(true) });
    this.deny = element("button", { type: "button", class: "quiet", onclick: () => this.press(false) });
    this.reply = element("button", { type: "submit" }, gettext("Answer"));
    this.left = element("span", { class: "muted question-left" });
    this.error = element("p", { class: "bad", role: "alert", hidden: true });
    this.node = element("form", { class: "question", hidden: true, onsubmit: (event) => this.submit(event) },
      this.label, this.approve, this.deny, this.reply, this.left, this.error);
  }

  update(call) {
    this.call = call;
    // What an agent asks a person is for operators to answer: the one who asked the agent could put words into their mouths.
    const asks = ASKS[call?.status];
    show(this.node, asks && (call.status === "requested" ? this.operates : this.mayWrite()));
    if (this.node.hidden) return;
    for (const button of [this.approve, this.deny]) button.hidden = !asks.yes;
    this.reply.hidden = Boolean(asks.yes);
    setText(this.approve, asks.yes ?? "");
    setText(this.deny, asks.no ?? "");
    this.words.placeholder = asks.words;
    setText(this.label.firstChild, asks.words);
    this.tick();
  }

  /** How long one may still decide or answer; the site ends it when that is over. */
  tick() {
    const left = (Date.parse(this.call?.expires_at) - Date.now()) / 1000;
    const counts = left > 0 && ["awaiting_approval", "requested"].includes(this.call.status);
    setText(this.left, counts ? fill(gettext("Expires in %(time)s"), { time: timeLeft(left) }) : "");
    this.left.hidden = !counts;
  }

  press(yes) {
    const note = this.words.value;
    this.tell(() => (this.call.status === "unknown" ? this.settle(this.call, yes, note) : this.decide([this.call], yes, yes ? "" : note)));
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
      this.words, button(gettext("Approve all"), true), button(gettext("Deny all"), false, "quiet"), this.error);
  }

  update(calls) {
    this.calls = calls.filter((call) => call?.status === "awaiting_approval");
    show(this.node, this.calls.length > 1 && this.mayWrite());
    if (this.node.hidden) return;
    setText(this.words, fill(ngettext("%(count)s call waits for approval", "%(count)s calls wait for approval", this.calls.length), { count: this.calls.length }));
  }
}

/**
 * Shows or hides it. If it had the keyboard's focus that goes to the message field: on the next question a second Enter would decide, and
 * who tapped wants no keyboard on the screen.
 */
function show(node, isAsked) {
  const hadFocus = node.querySelector(":focus-visible") !== null;
  node.hidden = !isAsked;
  if (hadFocus && node.hidden) document.querySelector("#text")?.focus({ preventScroll: true });
}

async function telling(node, complaint, action) {
  const buttons = [...node.querySelectorAll("button")];
  if (buttons.some((button) => button.ariaDisabled)) return;
  buttons.forEach((button) => { button.ariaDisabled = "true"; }); // `disabled` would take the focus away
  complaint.hidden = true;
  try {
    await action();
  } catch (error) {
    setText(complaint, error.message);
    complaint.hidden = false;
  } finally {
    buttons.forEach((button) => { button.ariaDisabled = null; });
  }
}
