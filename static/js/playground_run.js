/** One run as a picture and in figures: how long it waited, its model calls and its tools on one line of time. */
import { element } from "#element";
import { jsonView } from "#json_view";
import { usageInWords } from "#money";
import { runState, said } from "#server_words";
import { fullTime } from "#times";
import { stateOf } from "#tool_state";
import { fill, gettext, locale } from "#words";

const WIDTH = 1000;
const HEIGHT = 14;
const SVG = "http://www.w3.org/2000/svg";
const ms = (iso) => new Date(iso).getTime();

/** `{label, kind, bars: [{from, to, kind}], mark, usage, note}` for each thing that took time; times are milliseconds since the beginning. */
export function lines({ run, messages, tool_calls: calls }, now = Date.now()) {
  const zero = ms(run.created_at);
  const since = (iso) => (iso ? ms(iso) - zero : null);
  const end = run.ended_at ? ms(run.ended_at) - zero : now - zero;
  const waited = since(run.started_at) ?? end;
  const found = [{ label: gettext("Waiting for a worker"), kind: "queue", bars: [{ from: 0, to: waited, kind: "queue" }] }];
  const steps = messages.filter((row) => row.role === "assistant");
  steps.forEach((row, step) => {
    found.push({ label: fill(gettext("Step %(number)s"), { number: step + 1 }), detail: row.model, kind: "model", message: row, usage: row.usage, ...modelCall(row, since, end) });
    for (const call of calls.filter((each) => each.message === row.id)) found.push(toolCall(call, since, end));
  });
  return { lines: found, end: Math.max(1, end, ...found.flatMap((line) => line.bars.map((bar) => bar.to))) };
}

function modelCall({ timing, status, created_at: created, error }, since, end) {
  if (!timing) return { bars: status === "pending" ? [{ from: since(created), to: end, kind: "model" }] : [], note: said(error?.message ?? "") };
  const from = since(timing.began_at);
  const first = timing.first === null ? null : from + timing.first * 1000;
  return { bars: [{ from, to: from + timing.seconds * 1000, kind: "model" }], mark: first, first: timing.first, seconds: timing.seconds };
}

function toolCall(call, since, end) {
  const begun = since(call.started_at);
  const ended = since(call.ended_at) ?? end;
  const asked = since(call.created_at);
  const waited = begun ?? ended;
  const bars = [{ from: asked, to: waited, kind: "waiting" }, ...(begun === null ? [] : [{ from: begun, to: ended, kind: "tool" }])];
  return { label: call.tool, kind: "tool", call, bars: bars.filter(({ from, to }) => to > from), seconds: begun === null ? null : (ended - begun) / 1000, note: said(call.error?.message ?? "") };
}

function seconds(value) {
  if (value === null || value === undefined) return "";
  const digits = value < 10 ? 2 : 1;
  return `${value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false })} s`;
}

export class RunView {
  /** `inspect(message)` shows the model call that a step was. */
  constructor(node, { agentTitle, inspect }) {
    Object.assign(this, { node, agentTitle, inspect });
    this.shown = "";
    this.kept = element("div", {});
  }

  /** Takes what `GET /runs/{id}` gave. */
  update(found) {
    const drawn = lines(found);
    const held = document.activeElement?.dataset?.step;
    const shown = `${found.run.id} ${found.requests.length}`;
    if (shown !== this.shown) this.kept.replaceChildren(...requests(found.requests)); // else what is open stays so
    this.shown = shown;
    this.node.replaceChildren(facts(found, drawn, this.agentTitle), this.table(drawn), this.kept);
    if (held) this.node.querySelector(`[data-step="${held}"]`)?.focus({ preventScroll: true });
  }

  table({ lines: rows, end }) {
    const head = element("tr", {}, ...[gettext("What"), gettext("When"), gettext("Took"), gettext("First word"), gettext("Tokens")].map((title) => element("th", { scope: "col" }, title)));
    const body = rows.map((line) => element("tr", { "data-kind": line.kind },
      element("th", { scope: "row" }, this.label(line)), element("td", { class: "strip" }, strip(line, end)),
      element("td", { class: "figure" }, seconds(line.seconds ?? (line.kind === "queue" ? line.bars[0].to / 1000 : null))),
      element("td", { class: "figure" }, seconds(line.first)), element("td", { class: "figure" }, usageInWords(line.usage ?? {}))));
    return element("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": gettext("Timeline of the run") }, element("table", { class: "gantt" }, element("caption", { class: "unseen" }, gettext("Timeline of the run")), element("thead", {}, head), element("tbody", {}, ...body)));
  }

  label({ label, detail, message, call, note }) {
    const more = [detail, call && stateOf(call)[1], note].filter(Boolean).join(" · ");
    if (!message) return element("span", {}, label, more && element("span", { class: "gantt-more" }, more));
    const button = element("button", { type: "button", class: "quiet", onclick: () => this.inspect(message) }, label);
    button.dataset.step = message.id;
    return element("span", {}, button, more && element("span", { class: "gantt-more" }, more));
  }
}

function strip({ bars, mark }, end) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const x = (time) => (Math.max(0, time) / end) * WIDTH;
  for (const { from, to, kind } of bars) svg.append(rect(x(from), Math.max(3, x(to) - x(from)), `bar-${kind}`));
  if (mark) svg.append(rect(x(mark) - 1, 3, "bar-mark"));
  return svg;
}

function rect(x, width, kind) {
  const node = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ x, y: 0, width, height: HEIGHT, class: kind })) node.setAttribute(name, value);
  return node;
}

function facts({ run, messages }, { end }, agentTitle) {
  const first = messages.find((row) => row.timing?.first !== undefined && row.timing?.first !== null);
  const told = first ? (ms(first.timing.began_at) - ms(run.created_at)) / 1000 + first.timing.first : null;
  const who = run.requested_by?.name ?? gettext("a program");
  const isForAnother = run.on_behalf_of && run.on_behalf_of.id !== run.requested_by?.id;
  const rows = [
    [gettext("Agent"), agentTitle(run.agent)], [gettext("State"), run.error ? `${runState(run)}: ${said(run.error.message)}` : runState(run)],
    [gettext("Asked"), fullTime(run.created_at)], [gettext("By"), isForAnother ? fill(gettext("%(who)s for %(name)s"), { who, name: run.on_behalf_of.name }) : who],
    [gettext("First word after"), seconds(told)], [gettext("Took"), seconds(end / 1000)], [gettext("Used"), usageInWords(run.usage ?? {})],
    [gettext("Attempts"), String(run.attempt)], [gettext("Crashes"), run.crashes ? String(run.crashes) : ""], [gettext("Worker"), run.worker],
  ];
  return element("dl", { class: "facts" }, ...rows.filter(([, value]) => value).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

const requests = (kept) => kept.map((each) => element("details", { class: "kept" },
  element("summary", {}, fill(gettext("Request of step %(step)s, attempt %(attempt)s"), { step: each.step + 1, attempt: each.attempt }), each.error && element("span", { class: "bad" }, ` ${each.error}`)),
  element("h4", { class: "small-title" }, gettext("Sent")), jsonView(each.request), element("h4", { class: "small-title" }, gettext("Came back")), jsonView(each.response)));
