/** One conversation in the playground: as its people see it, and beside it a run of it, what the model was told, and other answers. */
import { attempt, request } from "#api";
import { Badge } from "#badge";
import { doubtfulButton } from "#action_button";
import { jsonView } from "#json_view";
import { MessageList } from "#message_list";
import { Pages } from "#pages";
import { ContextView } from "#playground_context";
import { Options } from "#playground_options";
import { RunView } from "#playground_run";
import { Comparison, LiveAnswer } from "#playground_trial";
import { Scroll } from "#scroll";
import { ThreadSocket } from "#thread_socket";
import { isActive, ThreadStore } from "#thread_store";
import { uuid7 } from "#uuid";
import { fill, gettext } from "#words";

const api = "/api/playground";
const AGAIN = 400; // milliseconds between two looks at a run that goes on
const at = (id) => document.getElementById(id);

export class Desk {
  constructor(snapshot, { agents, me, user, complain }) {
    Object.assign(this, { agents, me, complain });
    this.store = new ThreadStore();
    this.store.apply(snapshot);
    this.id = this.store.thread.id;
    this.path = `${api}/threads/${this.id}`;
    this.inspected = null; // the id of the run that is looked at
    this.found = null; // what is known of it
    this.step = null; // the message whose model call is looked at; null: the next prompt
    this.tried = null; // {thread, run} of what was tried last
    this.what = null; // {message} or {text}: what is answered again
    this.refused = null; // {key, id} of what was sent and not answered: sent again unchanged, it keeps its id
    this.asked = this.reads = 0;
    this.showThread();
    if (!agents.length) return complain(gettext("No agent is on offer here."));
    this.showInspector();
    this.listen(user);
    this.store.subscribe(() => this.readLater());
    this.options.choose(this.store.thread.agent);
    const last = this.list.items.findLast((item) => runOf(item));
    if (last) this.inspect(last);
    else this.look(null);
  }

  showThread() {
    const { store, path } = this;
    const badge = new Badge(at("badge"));
    this.scroll = new Scroll(at("scroller"), at("messages"), at("latest"));
    this.list = new MessageList(store, at("messages"), this.scroll, this.toolsFor(store, this.id));
    new Pages({ store, list: this.list, scroll: this.scroll, scroller: at("scroller"), note: at("older"), path });
    new ThreadSocket(store, this.id, { onState: (state) => badge.set(state), onGone: () => this.complain(gettext("This thread is no longer there.")) });
  }

  showInspector() {
    const agentTitle = (name) => this.agentTitle(name);
    this.run = new RunView(at("run"), { agentTitle, inspect: (message) => this.look(message) });
    this.context = new ContextView({ saw: at("saw"), now: at("now"), why: at("why"), notes: at("told-notes"), size: at("size") });
    this.options = new Options(at("options"), this.agents, { changed: () => this.build() });
    this.comparison = new Comparison({
      node: at("comparison"), left: at("before"), right: at("after"), changes: at("changes"), by: [at("before-by"), at("after-by")], state: at("trial-state"), stop: at("stop-trial"),
      makeAnswer: (thread, run, changed) => new LiveAnswer(thread, run, { toolsFor: (...which) => this.toolsFor(...which), changed, store: thread === this.id ? this.store : null }),
      changed: () => this.readLater(),
    });
  }

  listen(user) {
    at("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.tryOut({ text: at("text").value }, this.tried);
    });
    at("text").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      at("composer").requestSubmit();
    });
    at("replay").addEventListener("click", () => {
      if (this.what) this.tryOut(this.what, this.found && { thread: this.found.run.thread, run: this.inspected });
      else this.complain(gettext("The prompt of this run is gone."));
    });
    at("stop-trial").addEventListener("click", () => attempt(this.complain, () => request("POST", `/api/runs/${this.tried.run}/stop`)));
    at("next").addEventListener("click", () => this.look(null));
    if (!user) return at("save").remove();
    const save = doubtfulButton("people", fill(gettext("Send as %(name)s"), user), fill(gettext("Send as %(name)s?"), user), () => this.save(), this);
    save.id = "save";
    at("save").replaceWith(save);
  }

  agentTitle(name) {
    return this.agents.find((agent) => agent.name === name)?.title ?? name;
  }

  /** What the views of a thread need. In what one tries oneself one may decide and answer. */
  toolsFor(store, threadId) {
    const mine = threadId !== this.id;
    const calls = `/api/threads/${threadId}/tool-calls`;
    return {
      store, me: this.me, agents: this.agents, agentTitle: (name) => this.agentTitle(name), complain: this.complain,
      opinions: { of: () => undefined }, operates: mine, mayWrite: () => mine, mayDelete: () => false,
      inspect: (item) => this.inspect(item), again: (message) => this.again(message),
      retry: mine ? (run) => this.retry(store, run) : null,
      decide: (asked, approved, reason) => request("POST", `/api/threads/${threadId}/decisions`, {
        decisions: asked.map((call) => ({ call: call.id, arguments_hash: call.arguments_hash, approved, reason })),
      }),
      answer: (call, result) => request("POST", `${calls}/${call.id}/result`, { result }),
      settle: (call, happened, note) => request("POST", `${calls}/${call.id}/settle`, { happened, note }),
    };
  }

  /** Shows the run that an answer came of, and what its first model call was told. */
  async inspect(item) {
    const wanted = runOf(item);
    if (!wanted) return this.complain(gettext("This answer was saved or copied: no run made it."));
    for (const node of document.querySelectorAll(".is-inspected")) node.classList.remove("is-inspected");
    this.list.nodeOf(item.rows[0]?.id)?.classList.add("is-inspected");
    this.inspected = wanted;
    await attempt(this.complain, () => this.read());
    if (this.found?.run.id !== wanted) return;
    const prompt = this.found.run.prompt;
    if (this.found.run.thread === this.id) this.what = prompt && { message: prompt };
    // Who answered first: the conversation may have been passed on.
    this.choose(this.steps[0]?.agent_name || this.found.run.agent);
    await this.look(this.steps[0] ?? null);
  }

  choose(agent) {
    this.options.choose(agent, ofTheCall(this.found.run.options));
    if (this.options.missing) this.complain(fill(gettext("%(agent)s is not on offer here."), { agent: this.options.missing }));
  }

  /** Once more what failed; in its place in the comparison. */
  async retry(store, run) {
    const made = await request("POST", `/api/runs/${run.id}/retry`);
    store.adopt(rowsOf(made));
    this.tried = { thread: this.tried.thread, run: made.run.id };
    this.comparison.follow(made.run.id);
    await attempt(this.complain, () => this.inspectNew(made.run.id));
  }

  get steps() {
    return this.found?.messages.filter((row) => row.role === "assistant") ?? [];
  }

  /** Reads the inspected run anew; a reading that a later one has overtaken is done when that one is. */
  read() {
    this.reading = this.readFor(++this.reads);
    return this.reading;
  }

  async readFor(reading) {
    const found = await request("GET", `${api}/runs/${this.inspected}`).catch((error) => {
      if (reading === this.reads) throw error;
    });
    if (reading !== this.reads) return this.reading;
    const before = this.found;
    this.found = found;
    // A request is kept when its model call is over.
    if (before?.run.id === found.run.id && before.requests.length < found.requests.length) this.build();
    at("inspected").hidden = false;
    this.run.update(found);
    at("raw").replaceChildren(jsonView({ run: found.run, prompt: found.prompt, messages: found.messages, tool_calls: found.tool_calls }));
  }

  /** Once more in a moment, as long as the run goes on. */
  readLater() {
    const known = this.found?.run.id === this.inspected;
    if (!this.inspected || (known && !isActive(this.found.run))) return;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.read().catch((error) => this.complain(error.message));
    }, AGAIN);
  }

  /** What the model call behind a message saw, and what it would be told now; of null what the next prompt would be told. */
  look(message) {
    this.step = message;
    const { agent_name: name } = message ?? {};
    if (name && name !== this.options.agent.name) this.choose(name);
    const number = this.steps.findIndex((row) => row.id === message?.id) + 1;
    at("step-of").textContent = message ? fill(gettext("Step %(number)s of the run"), { number }) : gettext("The next prompt");
    return this.build();
  }

  build() {
    const asked = (this.asked += 1);
    return attempt(this.complain, async () => {
      const what = this.step ? { step: this.step.id } : { text: at("text").value };
      const thread = this.step?.thread ?? this.id;
      const built = await request("POST", `${api}/threads/${thread}/context`, { ...what, ...this.how });
      if (asked !== this.asked) return; // something else is looked at by now
      at("context").hidden = false;
      this.context.update(this.kept, built);
    });
  }

  /** The request of the step as it went out in its last attempt, if it was kept. */
  get kept() {
    const number = this.steps.findIndex((row) => row.id === this.step?.id);
    return this.found?.requests.findLast((each) => each.step === number)?.request ?? null;
  }

  get how() {
    return { agent: this.options.agent.name, options: this.options.value };
  }

  /** Answers a prompt again, in a copy, and compares it with the last answer. */
  again(message) {
    const answers = [...this.store.runs.values()].filter((run) => run.prompt === message.id);
    const last = answers.sort((a, b) => (a.created_at < b.created_at ? 1 : -1))[0];
    return this.tryOut({ message: message.id }, last && { thread: this.id, run: last.id });
  }

  tryOut(what, before = null) {
    return attempt(this.complain, async () => {
      const made = await this.send({ ...what, ...this.how });
      if (!made) return;
      this.what = what;
      this.tried = { thread: made.thread.id, run: made.run.id };
      this.comparison.show(before, this.tried);
      at("comparison").scrollIntoView({ block: "start" });
      await this.inspectNew(made.run.id);
    });
  }

  /** Looks at a run that was begun just now. */
  async inspectNew(run) {
    this.inspected = run;
    await this.read();
    if (this.inspected === run) await this.look(this.steps[0] ?? null);
  }

  /**
   * Null while something is on its way: pressed twice it is asked once. What could not be sent, or whose answer got lost, keeps its id, so
   * that it is asked once too.
   */
  async send(wanted) {
    if (this.busy) return null;
    const key = JSON.stringify(wanted);
    const id = this.refused?.key === key ? this.refused.id : uuid7();
    this.refused = { key, id };
    this.busy = true;
    try {
      const made = await request("POST", `${this.path}/generate`, { ...wanted, id });
      this.refused = null;
      return made;
    } finally {
      this.busy = false;
    }
  }

  save() {
    return attempt(this.complain, async () => {
      const made = await this.send({ text: at("text").value, ...this.how, save: true });
      if (!made) return;
      this.store.adopt(rowsOf(made));
      at("text").value = "";
      this.scroll.toEnd();
    });
  }
}

const runOf = (item) => (item.kind === "answer" ? item.run ?? item.rows.find((row) => row.run)?.run : null);
const rowsOf = ({ message, run }) => ({ messages: [message], runs: run ? [run] : [] });
// That it is to be logged goes without saying here.
const ofTheCall = ({ log_requests: logged, ...options }) => options;
