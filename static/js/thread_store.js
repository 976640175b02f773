/**
 * All that the page knows of one thread. Frames go in, in any order and any number of times;
 * what comes out equals a fresh load. No DOM, no network.
 */
import { LiveRun } from "#live_run";

const KEPT_RUNS = 20;
const ENDED = new Set(["succeeded", "failed", "stopped"]);

export const isActive = (run) => !ENDED.has(run.status);

export class ThreadStore {
  constructor() {
    this.gone = new Set();
    this.outbox = new Map();
    this.listeners = new Set();
    this.thread = null;
    this.version = null;
    this.pinged = null;
    this.clear();
  }

  clear() {
    this.messages = new Map();
    this.runs = new Map();
    this.toolCalls = new Map();
    this.live = new Map();
    this.early = new Map(); // changed frames that came before their turn, by version
    this.announced = 0; // the version of a frame that came without its rows
    // What is shown goes from the order `before` to below the order `after`; null is the thread's beginning, and its end.
    this.before = null;
    this.after = null;
  }

  /** Calls `listener({run})` after each change; `run` names the only run whose live parts grew, or is null. */
  subscribe(listener) {
    this.listeners.add(listener);
  }

  unsubscribe(listener) {
    this.listeners.delete(listener);
  }

  tell(run = null) {
    for (const listener of this.listeners) listener({ run });
  }

  /** Takes one frame of the thread's socket. */
  apply(frame) {
    if (frame.type === "delta") {
      this.delta(frame);
      this.tell(frame.run);
    } else if (frame.type === "ping") {
      this.pinged = frame;
    } else if (frame.type === "sync" || frame.type === "changed") {
      this[frame.type](frame);
      this.tell();
    }
  }

  sync(frame) {
    if (frame.reset) this.clear();
    this.takeRows(frame);
    this.version = frame.reset ? frame.version : Math.max(this.version ?? 0, frame.version);
    for (const delta of frame.deltas) this.delta(delta);
    if (frame.reset) this.before = frame.before;
    this.pinged = null;
    this.catchUp();
  }

  changed(frame) {
    if (this.version === null || frame.version <= this.version) return;
    if (frame.version > this.version + 1) {
      this.early.set(frame.version, frame);
    } else if (frame.ids_only) {
      this.announced = frame.version;
    } else {
      this.takeRows(frame);
      this.version = frame.version;
      this.catchUp();
    }
  }

  /** Takes the frames whose turn has come. */
  catchUp() {
    for (const version of this.early.keys()) if (version <= this.version) this.early.delete(version);
    const next = this.early.get(this.version + 1);
    this.early.delete(this.version + 1);
    if (next) this.changed(next);
  }

  delta(delta) {
    const run = this.runs.get(delta.run);
    if (run && !isActive(run)) return;
    if (!this.live.has(delta.run)) this.live.set(delta.run, new LiveRun());
    this.live.get(delta.run).offer(delta);
  }

  takeRows({ messages = [], runs = [], tool_calls: toolCalls = [], deleted = [], thread = null }) {
    for (const { id } of deleted) {
      this.gone.add(id);
      this.messages.delete(id);
    }
    for (const row of messages) if (!this.gone.has(row.id)) keepNewer(this.messages, row);
    for (const row of toolCalls) keepNewer(this.toolCalls, row);
    for (const run of runs) if (keepNewer(this.runs, run)) this.follow(run);
    if (thread && thread.version >= (this.thread?.version ?? 0)) this.thread = thread;
  }

  follow(run) {
    if (!isActive(run)) {
      this.live.delete(run.id);
      return;
    }
    if (!this.live.has(run.id)) this.live.set(run.id, new LiveRun());
    this.live.get(run.id).follow(run);
  }

  /** Adds rows of an HTTP answer. Rows already held change by frames alone, so that live parts and rows change over together. */
  adopt({ messages = [], runs = [], tool_calls: toolCalls = [] }) {
    const fresh = (map) => (row) => !map.has(row.id);
    this.takeRows({
      messages: messages.filter(fresh(this.messages)),
      runs: runs.filter(fresh(this.runs)),
      tool_calls: toolCalls.filter(fresh(this.toolCalls)),
    });
    this.tell();
  }

  /** Adds an older page, asked for with `before=requested`. An answer that a reset has overtaken is dropped. */
  adoptOlder(requested, page) {
    if (requested !== this.before) return;
    this.before = page.before;
    this.adopt(page);
  }

  /** The same with a newer page, asked for with `after=requested`. */
  adoptNewer(requested, page) {
    if (requested !== this.after) return;
    this.after = page.after;
    this.adopt(page);
  }

  /** Shows another place of the thread: this page and nothing else. */
  move(page) {
    Object.assign(this, { before: page.before, after: page.after });
    this.adopt(page);
    this.dropOlder(this.shownOrders()[0] ?? 0);
    if (page.after !== null) this.dropNewer(page.after);
  }

  /** Whether a turn is between `before` and `after`. */
  shows(order) {
    return (this.before === null || order >= this.before) && (this.after === null || order < this.after);
  }

  /** The turns of all rows between `before` and `after`, ascending. */
  shownOrders() {
    return [...this.messages.values()].map(({ order }) => order).filter((order) => this.shows(order)).sort((a, b) => a - b);
  }

  /** Drops the rows of turns below one, to be loaded again. What frames have brought of turns after the end stays. */
  dropOlder(begin) {
    if (this.drop(({ order }) => order < begin)) this.before = begin;
    this.tell();
  }

  /** Drops those of a turn and all after it. Pages that are read from now on have what frames brought of them. */
  dropNewer(end) {
    if (this.drop(({ order }) => order >= end)) this.after = end;
    this.tell();
  }

  /** Says whether there was any. Runs that go on stay, and so do the newest ones. */
  drop(isFar) {
    const far = [...this.messages.values()].filter(isFar);
    const newest = new Set([...this.runs.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1)).slice(0, KEPT_RUNS).map(({ id }) => id));
    for (const row of far) {
      this.messages.delete(row.id);
      const run = this.runs.get(row.run);
      if (run && !isActive(run) && !newest.has(run.id)) this.runs.delete(run.id);
    }
    for (const call of this.toolCalls.values()) if (call.ended_at && !this.messages.has(call.message) && !newest.has(call.run)) this.toolCalls.delete(call.id);
    return far.length > 0;
  }

  /** A message of our own that the server has not confirmed yet. */
  post(message) {
    this.outbox.set(message.id, message);
    this.tell();
  }

  unpost(id) {
    this.outbox.delete(id);
    this.tell();
  }

  get activeRuns() {
    return [...this.runs.values()].filter(isActive);
  }

  /** What to ask the server to continue from. */
  get position() {
    const known = [...this.live].filter(([, live]) => live.cursor !== null);
    return { version: this.version, cursors: Object.fromEntries(known.map(([run, live]) => [run, live.cursor])) };
  }

  /** True when rows are missing that no later frame will bring. */
  get stale() {
    return this.announced > this.version;
  }

  /** True when a frame was lost or is late. */
  get behind() {
    return this.stale || this.early.size > 0 || [...this.live.values()].some((live) => live.behind) || this.pingedAhead;
  }

  get pingedAhead() {
    if (!this.pinged) return false;
    if (this.pinged.version > this.version) return true;
    return Object.entries(this.pinged.cursors ?? {}).some(([run, end]) => this.lags(run, end));
  }

  lags(runId, end) {
    const run = this.runs.get(runId);
    if (run && !isActive(run)) return false;
    const cursor = this.live.get(runId)?.cursor ?? null;
    return cursor === null ? end > 0 : end > cursor;
  }
}

function keepNewer(map, row) {
  const held = map.get(row.id);
  if (held && held.version >= row.version) return false;
  map.set(row.id, row);
  return true;
}
