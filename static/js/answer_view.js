/** One answer: the texts, thoughts and tool calls of all its rows, and how it ended. */
import { actionButton, doubtfulButton } from "#action_button";
import { showFace } from "#avatar";
import { copyButton } from "#code_block";
import { DataView } from "#data_view";
import { element, arrange, setText } from "#element";
import { ErrorBlock } from "#error_block";
import { Feedback } from "#feedback";
import { FileList } from "#files";
import { addUsages, usageInWords } from "#money";
import { Reasoning } from "#reasoning";
import { AllQuestions } from "#question";
import { SmoothText } from "#smooth_text";
import { SourceList } from "#sources";
import { menuButton } from "#menu";
import { isActive } from "#thread_store";
import { answerBlocks, answerSources } from "#timeline";
import { clockTime, fullTime } from "#times";
import { ToolCard } from "#tool_card";
import { VersionPicker } from "#version_picker";
import { fill, gettext } from "#words";

const KINDS = { text: SmoothText, reasoning: Reasoning, tool: ToolCard, data: DataView, file: FileList };

export class AnswerView {
  constructor(tools) {
    const { store, agentTitle, retry } = tools;
    Object.assign(this, { store, agentTitle, tools });
    this.blocks = new Map();
    this.author = element("span", { class: "author" });
    this.face = element("span", { "aria-hidden": "true" });
    this.time = element("time", {});
    this.body = element("div", { class: "answer-body" });
    this.sources = new SourceList();
    this.waiting = element("p", { class: "waiting" });
    this.note = element("p", { class: "note" });
    this.questions = new AllQuestions(tools);
    this.error = new ErrorBlock(retry);
    this.cost = element("span", { class: "answer-cost" });
    this.versions = new VersionPicker();
    this.again = menuButton(gettext("Answer again"), () => this.answerers(), "again");
    this.feedback = new Feedback((value, comment) => tools.opinions.give(this.item.rows[0].id, value, comment), tools);
    this.fork = actionButton("fork", gettext("Copy to a new thread up to here"), () => tools.fork(this.item.rows.at(-1).id), tools);
    this.remove = doubtfulButton("trash", gettext("Delete this answer"), gettext("Delete?"), () => tools.remove(this.item.rows[0].id), tools);
    this.actions = element("div", { class: "actions" }, ...this.offers());
    this.foot = element("footer", { class: "message-foot" }, this.versions.node, this.actions);
    this.node = element("article", { class: "message answer" },
      element("header", {}, this.face, this.author, this.time, this.cost), this.body, this.sources.node, this.questions.node, this.waiting, this.error.node, this.note, this.foot, this.feedback.node);
  }

  /** What a reader can do with it; in the playground that is to look closer. */
  offers() {
    const { tools } = this;
    if (tools.inspect) return [copyButton(() => this.text()), actionButton("search", gettext("Inspect this answer"), () => tools.inspect(this.item), tools)];
    const quote = actionButton("quote", gettext("Quote"), () => tools.quote(this.text()), tools);
    return [this.feedback.good, this.feedback.bad, copyButton(() => this.text()), quote, this.again, this.fork, this.remove];
  }

  update(item) {
    this.item = item;
    this.versions.update(item.versions);
    this.feedback.update(this.tools.opinions.of(item.rows[0]?.id));
    const run = this.store.runs.get(item.run);
    const blocks = answerBlocks(this.store, item);
    this.drawBlocks(blocks);
    this.sources.update(answerSources(this.store, item, blocks));
    this.drawHead(run, item.rows);
    this.drawState(run, item.rows, blocks);
  }

  drawBlocks(blocks) {
    const kept = new Map();
    for (const block of blocks) {
      const view = this.blocks.get(block.key) ?? new KINDS[block.kind](this.tools);
      if (block.kind === "text") view.update(block.pieces, block.open);
      else view.update(block);
      kept.set(block.key, view);
    }
    this.blocks = kept;
    const nodes = [...kept.values()].map((view) => view.node);
    arrange(this.body, nodes);
    this.questions.update(blocks.map((block) => block.call));
    const typing = blocks.at(-1)?.kind === "text" && blocks.at(-1).open;
    for (const node of nodes) node.classList.toggle("caret", typing && node === nodes.at(-1));
  }

  drawHead(run, rows) {
    this.drawAuthor(rows.find((row) => row.agent_name)?.agent_name || run?.agent || "");
    const since = rows[0]?.created_at ?? run?.created_at;
    if (!since) return;
    this.time.dateTime = since;
    this.time.title = fullTime(since);
    setText(this.time, clockTime(since));
  }

  drawAuthor(agent) {
    if (agent === this.agent) return;
    this.agent = agent;
    const title = this.agentTitle(agent);
    setText(this.author, title);
    showFace(this.face, title, agent, true);
  }

  drawState(run, rows, blocks) {
    const active = Boolean(run && isActive(run));
    this.node.classList.toggle("is-active", active);
    this.node.setAttribute("aria-busy", String(active));
    setText(this.waiting, active ? waitingFor(run, blocks) : "");
    this.waiting.hidden = !this.waiting.textContent;
    const error = active ? null : run?.error ?? rows.findLast((row) => row.error)?.error ?? null;
    this.error.update(run?.status === "stopped" ? null : error, run, this.isLatest(run));
    const stopped = run?.status === "stopped" || rows.some((row) => row.finish_reason === "stopped");
    setText(this.note, stopped ? gettext("Stopped") : rows.some((row) => row.finish_reason === "length") ? gettext("Cut off at the length limit") : "");
    this.note.hidden = !this.note.textContent;
    setText(this.cost, usageInWords(addUsages(rows.map((row) => row.usage))));
    this.actions.hidden = active || rows.length === 0;
    this.remove.hidden = !this.tools.mayDelete(this.store.messages.get(this.item.prompt));
    this.again.hidden = !this.tools.mayWrite() || !this.item.prompt || Boolean(this.store.thread.assigned_to);
  }

  /** Who may answer instead: the same one first. */
  answerers() {
    const { agents, branch, complain } = this.tools;
    const same = this.item.rows.find((row) => row.agent_name)?.agent_name;
    const item = (label, agent) => ({ name: "again", label, act: () => branch(this.item.prompt, undefined, agent).catch((error) => complain(error.message)) });
    return [item(gettext("Answer again"), undefined), ...agents.filter((agent) => agent.listed && agent.name !== same).map((agent) => item(fill(gettext("Ask %(agent)s"), { agent: agent.title }), agent.name))];
  }

  /** Only the last answer to a prompt may be tried again. */
  isLatest(run) {
    if (!run) return false;
    const others = [...this.store.runs.values()].filter((other) => other.prompt === run.prompt);
    return !others.some((other) => other.created_at > run.created_at);
  }

  tick() {
    for (const view of this.blocks.values()) view.tick?.();
  }

  text() {
    const texts = answerBlocks(this.store, this.item).filter((block) => block.kind === "text");
    return texts.map((block) => block.pieces.join("")).join("\n\n");
  }
}

function waitingFor(run, blocks) {
  const last = blocks.at(-1);
  if (run.status === "queued") return run.attempt > 0 ? gettext("Will be continued in a moment…") : gettext("Waiting for its turn…");
  if (run.status === "waiting") return gettext("Waiting for a person");
  if (last?.open || (last?.kind === "tool" && !last.call?.ended_at)) return "";
  return gettext("Thinking…");
}
