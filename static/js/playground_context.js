/** What the model saw beside what it would be told now, and why each row is in there. */
import { paired } from "#differences";
import { element } from "#element";
import { jsonView } from "#json_view";
import { roleOf } from "#server_words";
import { fill, gettext, locale } from "#words";

const EXCERPT = 160;
const OFFER = gettext("tool on offer");
const thousandths = new Intl.NumberFormat(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const SOURCES = { search: gettext("found"), recent: gettext("recent"), input: gettext("brought along"), prompt: gettext("prompt"), existing: gettext("this answer so far") };
const NOT_KEPT = gettext("This request was not kept. Agents and threads with log_requests keep theirs, and so does everything that is tried here.");

/** A request as a list to be compared: what is asked of the model, its tools, then each message. */
export const told = ({ messages = [], tools = [], ...settings }) => [
  { role: gettext("settings"), content: shown(settings) },
  ...tools.map((tool) => ({ role: OFFER, content: tool.function ?? tool })),
  ...messages,
];

// How the answer is to be sent says nothing about what the model was told.
const shown = ({ stream, stream_options: streamOptions, response_format: format, ...settings }) => settings;

export class ContextView {
  constructor({ saw, now, why, notes, size }) {
    Object.assign(this, { saw, now, why, notes, size });
  }

  /** `kept` is the request as it went out, or null; `built` what `POST …/context` gave. */
  update(kept, built) {
    const right = told(built.request);
    const pairs = kept ? paired(told(kept), right) : right.map((each) => ({ right: each }));
    const differs = pairs.filter(({ left, right: other }) => kept && !(left && other)).length;
    this.saw.replaceChildren(...(kept ? column(pairs, "left") : [element("li", { class: "muted" }, NOT_KEPT)]));
    this.now.replaceChildren(...column(pairs, "right", Boolean(kept)));
    const difference = differs ? fill(gettext("%(count)s differ"), { count: differs }) : gettext("no difference");
    this.size.textContent = [fill(gettext("%(tokens)s of %(window)s tokens"), built), ...(kept ? [difference] : [])].join(" · ");
    this.notes.replaceChildren(...built.notes.map((note) => element("li", {}, note)));
    this.notes.hidden = !built.notes.length;
    this.why.replaceChildren(...built.rows.map(reason));
  }
}

/** One side: what the other side has too is plain, what it has not is marked. */
function column(pairs, side, compares = true) {
  const other = side === "left" ? "right" : "left";
  return pairs.filter((pair) => pair[side]).map((pair) => message(pair[side], compares && !pair[other] ? side : ""));
}

/** A tool is known by its name; how it is described is for who wants to see it. */
function offer({ name, ...more }) {
  return element("details", { class: "kept" }, element("summary", {}, name), jsonView(more));
}

function message({ role, content, tool_calls: calls = [], tool_call_id: answers }, mark) {
  const text = typeof content === "string" ? content : content ? JSON.stringify(content, null, 2) : "";
  const word = { left: gettext("only then"), right: gettext("only now") }[mark];
  return element("li", { class: "told", "data-only": mark || null },
    element("p", { class: "small-title" }, answers ? gettext("result of a tool") : roleOf({ role }), word && element("span", { class: "mark" }, ` ${word}`)),
    role === OFFER ? offer(content) : text && jsonView(text), ...calls.map((call) => jsonView(`${call.function.name}(${call.function.arguments})`)));
}

function reason({ row, source, why, left_out: leftOut }) {
  const text = row.content.filter((part) => part.type === "text").map((part) => part.text).join(" ");
  const places = (why?.found ?? []).map(({ by, rank, score }) => fill(gettext("%(by)s: no. %(rank)s (%(score)s)"), { by: by === "words" ? gettext("words") : by, rank, score: thousandths.format(score) }));
  const beside = source === "search" && !why ? [gettext("beside one that was found")] : [];
  return element("tr", {}, ...[
    row.order === null ? "" : `${row.order}.${row.step_order}`, roleOf(row), text.length > EXCERPT ? `${text.slice(0, EXCERPT)}…` : text || gettext("(a tool call)"),
    SOURCES[source], [...places, ...beside].join(", "), why ? thousandths.format(why.score) : "", leftOut ? gettext("no room") : "",
  ].map((cell) => element("td", {}, cell)));
}
