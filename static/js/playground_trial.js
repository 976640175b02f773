/** What was tried, live: its answer beside the one it is compared with, and what differs. */
import { AnswerView } from "#answer_view";
import { changedText } from "#differences";
import { element, setText } from "#element";
import { runState } from "#server_words";
import { ThreadSocket } from "#thread_socket";
import { isActive, ThreadStore } from "#thread_store";
import { timeline } from "#timeline";
import { duration } from "#times";
import { fill, gettext } from "#words";

/** One answer of a thread. */
export class LiveAnswer {
  /**
   * `toolsFor(store, threadId)` are the tools of its view; `changed()` is called when there is more of it. Without a `store` that has the
   * thread already it gets one, with a socket.
   */
  constructor(threadId, runId, { toolsFor, changed, store = null }) {
    Object.assign(this, { threadId, runId, changed });
    this.store = store ?? new ThreadStore();
    this.view = new AnswerView(toolsFor(this.store, threadId));
    this.listener = () => (this.frame ??= requestAnimationFrame(() => this.draw()));
    this.store.subscribe(this.listener);
    this.connection = store ? null : new ThreadSocket(this.store, threadId, { onState: () => {}, onGone: () => {} });
    this.clock = setInterval(() => this.view.tick(), 1000);
    this.listener();
  }

  get run() {
    return this.store.runs.get(this.runId);
  }

  get isOver() {
    return Boolean(this.run) && !isActive(this.run);
  }

  draw() {
    this.frame = null;
    const item = timeline(this.store).find((each) => each.kind === "answer" && each.run === this.runId);
    if (item) this.view.update(item);
    this.changed();
  }

  get text() {
    return this.view.item ? this.view.text() : "";
  }

  close() {
    this.store.unsubscribe(this.listener);
    this.connection?.close();
    clearInterval(this.clock);
    cancelAnimationFrame(this.frame);
  }
}

const took = (run) => (run ? duration(run.started_at ?? run.created_at, run.ended_at) : "");

export class Comparison {
  /** `left`, `right` and `changes` are where they are shown, `by` are `[figures left, figures right]`; `changed()` is told of news. */
  constructor({ node, left, right, changes, by, state, stop, makeAnswer, changed }) {
    Object.assign(this, { node, left, right, changes, by, state, stop, makeAnswer, changed });
    this.answers = [null, null];
  }

  /** Compares what was tried with another run: `{thread, run}` each, the first may be null. */
  show(before, after) {
    for (const answer of this.answers) answer?.close();
    this.answers = [before, after].map((each) => each && this.makeAnswer(each.thread, each.run, () => this.draw()));
    this.left.replaceChildren(this.answers[0]?.view.node ?? element("p", { class: "muted" }, gettext("There is nothing to compare it with: it is the first answer to this prompt.")));
    this.right.replaceChildren(this.answers[1].view.node);
    this.node.hidden = false;
    this.draw();
  }

  /** The new answer is tried once more. */
  follow(run) {
    this.answers[1].runId = run;
    this.answers[1].listener();
  }

  draw() {
    this.changed();
    this.answers.forEach((answer, side) => setText(this.by[side], took(answer?.run)));
    const [before, after] = this.answers;
    const over = after?.isOver;
    this.stop.hidden = Boolean(over) || !after;
    setText(this.state, over ? fill(gettext("The answer is there: %(state)s."), { state: runState(after.run) }) : gettext("Answering…"));
    const both = over && before?.isOver;
    if (!both) this.compared = null;
    const texts = both && `${before.text}\0${after.text}`;
    if (texts === this.compared) return;
    this.compared = texts;
    this.changes.replaceChildren(...(both ? [changedText(before.text, after.text)] : []));
  }
}
