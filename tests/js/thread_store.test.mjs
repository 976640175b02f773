import assert from "node:assert/strict";
import { test } from "node:test";
import { answerBlocks, timeline } from "#timeline";
import { newer, older } from "#pages";
import { ThreadStore } from "#thread_store";
import { FakeThread, random } from "./fake_thread.mjs";

const message = (id, order, step, extra = {}) => ({
  id, order, step_order: step, role: "user", status: "success", author: { id: 1, name: "alice" }, agent_name: "", content: [],
  run: null, error: null, version: 1, ...extra,
});
const run = (extra = {}) => ({ id: "r", status: "running", attempt: 1, base: 0, prompt: "p", pending_message: "a", error: null, version: 1, ...extra });
const sync = (extra = {}) => ({
  type: "sync", version: 1, reset: false, thread: null, messages: [], runs: [], tool_calls: [], deleted: [], deltas: [], before: null, ...extra,
});
const delta = (start, text, extra = {}) => ({
  type: "delta", run: "r", attempt: 1, start, end: start + 1, parts: [{ type: "text-delta", id: "t", delta: text }], ...extra,
});
const changed = (version, extra = {}) => ({ type: "changed", version, messages: [], runs: [], tool_calls: [], deleted: [], thread: null, ...extra });

function watched() {
  const store = new ThreadStore();
  const answer = message("a", 1, 1, { role: "assistant", status: "pending", run: "r" });
  store.apply(sync({ reset: true, messages: [message("p", 1, 0), answer], runs: [run()] }));
  return store;
}

export function shown(store) {
  return timeline(store).map((item) => (item.kind === "answer" ? [item.key, texts(store, item)] : [item.key, item.message.content]));
}

const texts = (store, item) => answerBlocks(store, item).map((block) => [block.key, block.pieces ? block.pieces.join("") : block.call ?? null]);
const liveText = (store) => store.live.get("r").parts.flatMap((part) => part.pieces).join("");

test("a delta is applied once, and in order whatever the order of arrival", () => {
  const store = watched();
  for (const piece of [delta(1, "b"), delta(0, "a"), delta(0, "a"), delta(3, "d")]) store.apply(piece);
  assert.equal(liveText(store), "ab");
  assert.equal(store.behind, true);
  store.apply(delta(2, "c"));
  assert.equal(liveText(store), "abcd");
  assert.equal(store.behind, false);
});

test("a higher attempt drops what the lower one said, a lower one is ignored", () => {
  const store = watched();
  for (const piece of [delta(0, "old"), delta(0, "new", { attempt: 2 }), delta(1, "old")]) store.apply(piece);
  assert.equal(liveText(store), "new");
});

test("a folded step keeps the key of its live block", () => {
  const store = watched();
  store.apply(delta(0, "hello"));
  const before = shown(store);
  const row = message("a", 1, 1, { role: "assistant", run: "r", content: [{ type: "text", text: "hello" }], version: 2 });
  store.apply(changed(2, { messages: [row], runs: [run({ status: "succeeded", base: 1, version: 2 })] }));
  assert.deepEqual(shown(store), before);
  assert.equal(store.live.size, 0);
});

test("a moved base asks again for what it had seen past it", () => {
  const store = watched();
  store.apply(delta(0, "one"));
  store.apply(delta(1, "two"));
  store.apply(changed(2, { runs: [run({ base: 1, version: 2 })] }));
  assert.deepEqual([store.behind, store.position.cursors], [true, { r: 1 }]);
});

test("a changed frame waits for the one before it", () => {
  const store = watched();
  store.apply(changed(3, { deleted: [{ kind: "message", id: "x" }] }));
  assert.deepEqual([store.version, store.behind], [1, true]);
  store.apply(changed(2, { messages: [message("x", 2, 0, { version: 2 })] }));
  assert.deepEqual([store.version, store.behind, store.messages.has("x")], [3, false, false]);
});

test("a deleted message never comes back", () => {
  const store = watched();
  store.apply(changed(2, { deleted: [{ kind: "message", id: "p" }] }));
  store.apply(sync({ version: 2, messages: [message("p", 1, 0)] }));
  assert.equal(store.messages.has("p"), false);
});

test("a ping that is ahead means that the last frame was lost", () => {
  const store = watched();
  store.apply({ type: "ping", version: 1, cursors: { r: 0 } });
  assert.equal(store.behind, false);
  store.apply({ type: "ping", version: 1, cursors: { r: 4 } });
  assert.equal(store.behind, true);
});

test("frames without rows ask for a sync at once", () => {
  const store = watched();
  store.apply(changed(2, { ids_only: true }));
  assert.deepEqual([store.stale, store.behind, store.version], [true, true, 1]);
});

test("an own message is shown once, whichever way it arrives first", () => {
  const store = watched();
  const row = message("m", 2, 0, { version: 2 });
  const keys = () => timeline(store).filter((item) => item.key === "m").length;
  store.post({ id: "m", text: "hi" });
  assert.equal(keys(), 1);
  store.apply(changed(2, { messages: [row] }));
  store.adopt({ messages: [row] });
  assert.equal(keys(), 1);
  store.unpost("m");
  assert.equal(keys(), 1);
});

test("rows older than the loaded page stay hidden until their page is loaded", () => {
  const store = new ThreadStore();
  store.apply(sync({ reset: true, messages: [message("new", 9, 0)], before: 9 }));
  store.apply(changed(2, { messages: [message("old", 3, 0, { version: 2 })] }));
  assert.deepEqual(timeline(store).map((item) => item.key), ["new"]);
  store.adoptOlder(7, { messages: [], before: null });
  assert.equal(store.before, 9);
  store.adoptOlder(9, { messages: [message("old", 3, 0), message("older", 2, 0)], before: null });
  assert.deepEqual(timeline(store).map((item) => item.key), ["older", "old", "new"]);
  assert.equal(store.messages.get("old").version, 2);
});

test("any loss, doubling, reordering and reconnecting ends in what a fresh load shows", () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const dice = random(seed);
    const thread = new FakeThread(dice);
    const store = new ThreadStore();
    store.apply(thread.sync(store.position));
    let wire = [];
    for (let step = 0; step < 120; step += 1) {
      wire.push(...thread.act());
      if (dice() < 0.15) wire.sort(() => dice() - 0.5);
      while (wire.length && dice() < 0.7) {
        const frame = wire.shift();
        if (dice() < 0.85) store.apply(frame);
        if (dice() < 0.1) store.apply(frame);
      }
      if (dice() < 0.03) wire = [];
      if (store.behind && dice() < 0.3) {
        wire = [];
        store.apply(thread.sync(store.position));
      }
    }
    for (const frame of wire) store.apply(frame);
    for (let turn = 0; turn < 4; turn += 1) {
      store.apply(thread.ping());
      if (store.behind) store.apply(thread.sync(store.position));
    }
    const fresh = new ThreadStore();
    fresh.apply(thread.sync({ version: null, cursors: {} }));
    assert.deepEqual([store.behind, fresh.behind], [false, false], `seed ${seed}`);
    assert.deepEqual(shown(store), shown(fresh), `seed ${seed}`);
    assert.deepEqual(store.position, fresh.position, `seed ${seed}`);
  }
});

/** The server's pages of a thread with so many turns, two rows each. */
function paged(turns) {
  const rows = Array.from({ length: turns * 2 }, (_, n) => message(`m${n}`, n >> 1, n % 2, { role: n % 2 ? "assistant" : "user", run: n % 2 ? `r${n >> 1}` : null }));
  const runs = (of) => of.filter((row) => row.run).map((row) => ({ id: row.run, status: "succeeded", attempt: 1, base: 0, version: 1, created_at: `t${String(row.order).padStart(5, "0")}` }));
  return ({ before = null, after = null, limit = 50 }) => {
    const begin = after ?? Math.max(0, (before ?? turns) - limit / 2);
    const end = after === null ? (before ?? turns) : Math.min(turns, after + limit / 2);
    const messages = rows.filter(({ order }) => order >= begin && order < end);
    return { messages, runs: runs(messages), tool_calls: [], before: begin > 0 ? begin : null, after: end < turns ? end : null };
  };
}

/** What a page does that has room for so many rows. */
const ROOM = 160;
const shownBy = (store) => timeline(store).filter(({ kind }) => kind === "message").map(({ message: { order } }) => order);
const isWhole = (orders) => orders.every((order, n) => n === 0 || order === orders[n - 1] + 1);

function walkUp(store, page) {
  for (const piece of older(page)) store.adoptOlder(store.before, piece);
  const orders = store.shownOrders();
  if (orders.length > ROOM) store.dropNewer(orders[ROOM] + 1);
}

function walkDown(store, page) {
  for (const piece of newer(page)) store.adoptNewer(store.after, piece);
  const orders = store.shownOrders();
  if (orders.length > ROOM) store.dropOlder(orders.at(-ROOM));
}

test("the reader may go to the beginning and back to the end; what is far away is dropped", () => {
  const page = paged(1000);
  const store = new ThreadStore();
  store.apply(sync({ reset: true, ...page({}) }));
  while (store.before !== null) walkUp(store, page({ before: store.before }));
  assert.deepEqual([shownBy(store)[0], isWhole(shownBy(store))], [0, true]);
  assert.ok(store.messages.size <= ROOM + 2 && store.runs.size <= ROOM / 2 + 22 && store.after !== null);
  store.apply(changed(2, { messages: [message("live", 1000, 0, { version: 9 })] }));
  assert.ok(!shownBy(store).includes(1000), "what is said at the end is not shown beside the beginning");
  store.adoptNewer(7, page({ after: 7 }));
  while (store.after !== null) walkDown(store, page({ after: store.after }));
  assert.deepEqual([shownBy(store).at(-1), isWhole(shownBy(store))], [1000, true], "though the last page did not have it yet");
  assert.ok(store.messages.size <= ROOM + 3 && store.before !== null);
  store.move({ ...page({ before: 500 }), after: 500 });
  assert.deepEqual([shownBy(store)[0], shownBy(store).at(-1), store.before, store.after, store.messages.size], [475, 499, 475, 500, 50]);
  assert.ok(store.runs.has("r999"), "the newest runs stay");
});

test("a row that changes while the page with it is on its way stays as it is now", () => {
  const page = paged(100);
  const store = new ThreadStore();
  store.apply(sync({ reset: true, ...page({}) }));
  store.move({ ...page({ before: 60 }), after: 60 });
  const late = page({ after: store.after, limit: 80 });
  store.apply(changed(2, { messages: [{ ...late.messages.at(-1), finish_reason: "stop", version: 2 }, message("new", 100, 0, { version: 2 })] }));
  for (const piece of newer(late)) {
    store.adoptNewer(store.after, piece);
    store.dropOlder(store.shownOrders().at(-40));
  }
  assert.deepEqual([shownBy(store).at(-1), store.messages.get("m199").version], [100, 2]);
});

test("what goes on is not dropped", () => {
  const page = paged(300);
  const store = new ThreadStore();
  const run = { id: "r", status: "running", attempt: 1, base: 0, version: 1, prompt: "m598", created_at: "z" };
  store.apply(sync({ reset: true, ...page({}), runs: [run], deltas: [{ type: "delta", run: "r", attempt: 1, start: 0, end: 1, parts: [{ type: "text-delta", id: "1", delta: "a" }] }] }));
  while (store.before !== null) walkUp(store, page({ before: store.before }));
  assert.ok(!store.messages.has("m598") && store.runs.has("r") && store.live.get("r").cursor === 1);
  assert.equal(store.behind, false);
});

test("a page is taken in pieces of whole turns, nearest first, with nothing in between", () => {
  const page = paged(100);
  const store = new ThreadStore();
  store.apply(sync({ reset: true, ...page({}) }));
  const pieces = older(page({ before: store.before }));
  assert.ok(pieces.length > 3);
  for (const piece of pieces) {
    store.adoptOlder(store.before, piece);
    assert.deepEqual(store.shownOrders(), store.shownOrders().map((_, n) => store.before + (n >> 1)));
  }
  assert.equal(store.before, 50);
  store.move({ ...page({ before: 30 }), after: 30 });
  for (const piece of newer(page({ after: 30 }))) store.adoptNewer(store.after, piece);
  assert.deepEqual([store.before, store.after, store.shownOrders().length], [5, 55, 100]);
  assert.deepEqual(older({ messages: [], before: null }).map(({ before }) => before), [null]);
});
