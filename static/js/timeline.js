/** Turns a store into what is shown: items by position, and the blocks of one answer. Pure. */
import { sourcesOfResult } from "#sources";
import { isActive } from "#thread_store";
import { choices } from "#versions";

const byPosition = (a, b) => a.order - b.order || a.step - b.step;
// Copies have no run; what a person answers is a message of its own.
const inAnswer = (row) => (row.role === "assistant" || row.role === "tool") && row.provider !== "human";

/** Items in order: `{key, kind: "message", message}`, `{key, kind: "answer", run, rows, prompt}`, `{key, kind: "outgoing", message}`. */
export function timeline(store) {
  const shown = (order) => store.shows(order);
  const items = [];
  const answers = new Map();
  const prompts = new Map();
  for (const row of store.messages.values()) {
    if (!shown(row.order)) continue;
    if (row.role === "user" && !(prompts.get(row.order)?.step_order < row.step_order)) prompts.set(row.order, row);
    if (inAnswer(row)) answerItem(answers, row.order, row.run).rows.push(row);
    else items.push({ key: row.id, kind: "message", message: row, order: row.order, step: row.step_order });
  }
  for (const run of store.activeRuns) {
    const prompt = store.messages.get(run.prompt);
    if (prompt && shown(prompt.order) && !hasAnswer(answers, run.id)) answerItem(answers, prompt.order, run.id);
  }
  items.push(...answers.values());
  for (const item of answers.values()) placeAnswer(item, prompts.get(item.order));
  items.sort(byPosition);
  if (store.thread) placeVersions(items, store);
  for (const message of store.outbox.values()) {
    if (!store.messages.has(message.id)) items.push({ key: message.id, kind: "outgoing", message });
  }
  return items;
}

/** Each choice of versions belongs to the first item after the place where they part, if that is loaded. */
function placeVersions(items, store) {
  for (const choice of choices(store.thread)) {
    const [order, step] = choice.after;
    if (!store.shows(Math.max(order, 0))) continue;
    const first = items.find((item) => item.order > order || (item.order === order && item.step > step));
    if (first) first.versions = choice;
  }
}

function answerItem(answers, order, run) {
  const key = `${order}:${run}`;
  if (!answers.has(key)) answers.set(key, { key, kind: "answer", run, order, rows: [] });
  return answers.get(key);
}

const hasAnswer = (answers, run) => [...answers.values()].some((item) => item.run === run);

function placeAnswer(item, prompt) {
  item.prompt = prompt?.id;
  item.rows.sort((a, b) => a.step_order - b.step_order);
  item.step = item.rows.length ? item.rows[0].step_order : Infinity;
}

/**
 * The blocks of one answer: `{key, kind: "text" | "reasoning", pieces, open}`, `{key, kind: "tool", id, call, draft}`, `{key, kind: "file", part}` or data.
 * Live parts get the keys that their rows will have, so that the change-over touches no node.
 */
export function answerBlocks(store, item) {
  const run = store.runs.get(item.run);
  const live = run && isActive(run) ? store.live.get(item.run) : undefined;
  const parts = [];
  for (const row of item.rows) {
    if (row.role !== "assistant" || (live && row.id === run.pending_message)) continue;
    parts.push(...row.content.map((part) => rowPart(row.id, part)));
  }
  if (live) parts.push(...live.parts.map((part) => livePart(run, part)));
  return keyed(store, parts);
}

/** The source parts of one answer: of its rows, of what is live, and in what its tools returned. */
export function answerSources(store, item, blocks) {
  const run = store.runs.get(item.run);
  const live = run && isActive(run) ? (store.live.get(item.run)?.sources ?? []) : [];
  const returned = blocks.filter(({ call }) => call?.status === "succeeded").flatMap(({ call }) => sourcesOfResult(call.result));
  return [...item.rows.flatMap((row) => row.sources ?? []), ...live, ...returned];
}

const rowPieces = new WeakMap(); // one array per stored part: the views compare it by identity

function rowPart(owner, part) {
  if (part.type === "tool-call") return { owner, kind: "tool", id: part.tool_call, draft: { tool: part.tool } };
  if (part.type === "data") return { owner, kind: "data", id: part.id ?? "", name: part.name, data: part.data };
  if (part.type === "file") return { owner, kind: "file", part };
  if (!rowPieces.has(part)) rowPieces.set(part, [part.text ?? ""]);
  return { owner, kind: part.type, pieces: rowPieces.get(part), open: false };
}

function livePart(run, part) {
  const owner = part.step === 0 ? (run.pending_message ?? run.id) : `${run.id}+${part.step}`;
  if (part.kind === "tool") return { owner, kind: "tool", id: part.id, draft: part };
  if (part.kind === "data") return { owner, kind: "data", id: part.id, name: part.name, data: part.data };
  return { owner, kind: part.kind, pieces: part.pieces, open: part.open };
}

/** Numbers the parts of each row by kind; empty ones are not shown and do not count. */
function keyed(store, parts) {
  const seen = new Map();
  return parts.flatMap(({ owner, ...part }) => {
    if (part.kind === "tool") return [{ key: `call:${part.id}`, call: store.toolCalls.get(part.id), ...part }];
    if (part.kind === "data") return [{ key: `${owner}/data/${part.name}/${part.id}`, ...part }];
    if (!["text", "reasoning", "file"].includes(part.kind) || part.pieces?.every((piece) => !piece)) return [];
    const name = `${owner}/${part.kind}`;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return [{ key: `${name}/${seen.get(name)}`, ...part }];
  });
}
