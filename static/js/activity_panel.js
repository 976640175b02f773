/** The runs of the thread, newest first, with their tool calls as they happen. */
import { arrange, element, icon, setText } from "#element";
import { ProgressLine } from "#progress";
import { usageInWords } from "#money";
import { isActive } from "#thread_store";
import { duration } from "#times";
import { mainArgument, progressOf, stateOf, timeOf } from "#tool_state";
import { gettext } from "#words";

const SHOWN = 20;
const WORDS = { queued: gettext("queued"), running: gettext("running"), waiting: gettext("waiting"), succeeded: gettext("done"), failed: gettext("failed"), stopped: gettext("stopped") };
const MARKS = { queued: "wait", running: "run", waiting: "warn", succeeded: "good", failed: "bad", stopped: "stop" };

export class ActivityPanel {
  /** `usage()` asks what the whole thread took; `total` shows it. */
  constructor(store, node, { agentTitle, stop, total, usage }) {
    Object.assign(this, { store, node, agentTitle, stop, total, usage });
    this.summed = null;
    this.entries = new Map();
    this.empty = element("p", { class: "muted" }, gettext("Runs and their tool calls show up here."));
    this.frame = null;
    store.subscribe(({ run }) => run === null && (this.frame ??= requestAnimationFrame(() => this.draw())));
    setInterval(() => this.entries.forEach((entry) => entry.tick()), 1000);
    this.draw();
  }

  draw() {
    this.frame = null;
    const runs = [...this.store.runs.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1)).slice(0, SHOWN);
    const calls = [...this.store.toolCalls.values()].sort((a, b) => a.step - b.step || a.index - b.index);
    const entries = runs.map((run) => {
      const entry = this.entries.get(run.id) ?? new RunEntry(this);
      entry.update(run, calls.filter((call) => call.run === run.id));
      return [run.id, entry];
    });
    this.entries = new Map(entries);
    arrange(this.node, entries.length ? entries.map(([, entry]) => entry.node) : [this.empty]);
    this.sum(runs);
  }

  /** Asks anew when a call came into the books. */
  async sum(runs) {
    const state = runs.map((run) => `${run.id}${run.usage?.total ?? 0}`).join();
    if (state === this.summed) return;
    this.summed = state;
    try {
      setText(this.total, usageInWords(await this.usage()));
      this.total.hidden = !this.total.textContent;
    } catch {
      this.summed = null; // with the next change
    }
  }
}

class RunEntry {
  constructor({ agentTitle, stop }) {
    this.agentTitle = agentTitle;
    this.icon = element("span", { class: "icon", "aria-hidden": "true" });
    this.name = element("span", { class: "run-name" });
    this.word = element("span", { class: "run-word" });
    this.time = element("span", { class: "run-time" });
    this.tokens = element("p", { class: "run-tokens" });
    this.calls = element("ul", { class: "run-calls" });
    this.stop = element("button", { type: "button", class: "icon-button", "aria-label": gettext("Stop this run"), onclick: () => stop(this.run) }, icon("stop"));
    this.lines = new Map();
    this.node = element("section", { class: "run" },
      element("div", { class: "run-head" }, this.icon, this.name, this.word, this.time, this.stop), this.calls, this.tokens);
  }

  update(run, calls) {
    this.run = run;
    this.icon.className = `icon icon-${MARKS[run.status]}`;
    this.node.dataset.state = MARKS[run.status];
    setText(this.name, this.agentTitle(run.agent));
    setText(this.word, WORDS[run.status]);
    this.stop.hidden = !isActive(run);
    setText(this.tokens, usageInWords(run.usage ?? {}));
    this.tokens.hidden = !this.tokens.textContent;
    for (const call of calls) {
      if (!this.lines.has(call.id)) this.lines.set(call.id, new CallLine(call.id));
      this.lines.get(call.id).update(call);
    }
    arrange(this.calls, calls.map((call) => this.lines.get(call.id).node));
    this.tick();
  }

  tick() {
    setText(this.time, duration(this.run.started_at, this.run.ended_at));
    this.lines.forEach((line) => line.tick());
  }
}

class CallLine {
  constructor(id) {
    this.icon = element("span", { class: "icon", "aria-hidden": "true" });
    this.name = element("a", { class: "tool-name", href: `#call-${id}` });
    this.argument = element("span", { class: "tool-argument" });
    this.word = element("span", { class: "unseen" });
    this.time = element("span", { class: "tool-time" });
    this.progress = new ProgressLine();
    this.node = element("li", {},
      element("div", { class: "call-line" }, this.icon, this.name, this.argument, this.word, this.time), this.progress.node);
  }

  update(call) {
    if (call === this.call) return;
    this.call = call;
    const [mark, word] = stateOf(call);
    this.icon.className = `icon icon-${mark}`;
    this.node.dataset.state = mark;
    setText(this.name, call.tool);
    setText(this.argument, mainArgument(call.arguments));
    setText(this.word, `, ${word}`);
    this.progress.update(progressOf(call));
    this.tick();
  }

  tick() {
    setText(this.time, timeOf(this.call));
  }
}
