import assert from "node:assert/strict";
import { test } from "node:test";
import { answerBlocks, timeline } from "#timeline";
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
