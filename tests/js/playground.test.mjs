/** The playground's arithmetic: a run on a line of time, requests side by side, options that differ. */
import assert from "node:assert/strict";
import { test } from "node:test";

const { paired, same } = await import("#differences");
const { told } = await import("#playground_context");
const { lines } = await import("#playground_run");

const at = (seconds) => new Date(Date.UTC(2026, 0, 1, 12, 0, seconds)).toISOString();
const step = (id, began, took, first = null) => ({ id, role: "assistant", status: "success", model: "m", usage: { total: 5 }, created_at: at(began), timing: { began_at: at(began), first, seconds: took } });
const call = (message, asked, begun, ended) => ({ message, tool: "look", status: "succeeded", created_at: at(asked), started_at: begun && at(begun), ended_at: ended && at(ended) });

test("a run is laid out by when its parts began and ended", () => {
  const run = { created_at: at(0), started_at: at(1), ended_at: at(9) };
  const found = lines({ run, messages: [step("a", 1, 2, 0.5), { role: "tool" }, step("b", 7, 2)], tool_calls: [call("a", 3, 5, 7)] });
  assert.equal(found.end, 9000);
  assert.deepEqual(found.lines.map(({ label }) => label), ["Waiting for a worker", "Step 1", "look", "Step 2"]);
  assert.deepEqual(found.lines.map(({ bars }) => bars), [
    [{ from: 0, to: 1000, kind: "queue" }], [{ from: 1000, to: 3000, kind: "model" }],
    [{ from: 3000, to: 5000, kind: "waiting" }, { from: 5000, to: 7000, kind: "tool" }], [{ from: 7000, to: 9000, kind: "model" }],
  ]);
  assert.deepEqual(found.lines.map(({ mark }) => mark), [undefined, 1500, undefined, null]);
  assert.deepEqual(found.lines.map(({ seconds }) => seconds), [undefined, 2, 2, 2]);
});

test("what goes on ends now", () => {
  const run = { created_at: at(0), started_at: at(1), ended_at: null };
  const pending = { id: "b", role: "assistant", status: "pending", created_at: at(4), timing: null };
  const found = lines({ run, messages: [step("a", 1, 2), pending], tool_calls: [call("a", 3, 3, null)] }, Date.parse(at(10)));
  assert.equal(found.end, 10_000);
  assert.deepEqual(found.lines[2].bars, [{ from: 3000, to: 10_000, kind: "tool" }]);
  assert.deepEqual(found.lines[3].bars, [{ from: 4000, to: 10_000, kind: "model" }]);
});

test("a run that nobody took up only waits, and a denied call never ran", () => {
  const run = { created_at: at(0), started_at: null, ended_at: at(3) };
  const waiting = lines({ run, messages: [], tool_calls: [] });
  assert.deepEqual(waiting.lines.map(({ bars }) => bars), [[{ from: 0, to: 3000, kind: "queue" }]]);
  const denied = lines({ run: { ...run, started_at: at(0) }, messages: [step("a", 0, 1)], tool_calls: [call("a", 1, null, 3)] });
  assert.deepEqual(denied.lines[2].bars, [{ from: 1000, to: 3000, kind: "waiting" }]);
});

test("two requests are laid side by side", () => {
  const before = told({ model: "a", stream: true, messages: [{ role: "user", content: "one" }, { role: "user", content: "two" }] });
  const now = told({ model: "a", messages: [{ role: "user", content: "two" }, { role: "user", content: "three" }] });
  const sides = paired(before, now).map(({ left, right }) => [left?.content, right?.content]);
  assert.deepEqual(sides.slice(1), [["one", undefined], ["two", "two"], [undefined, "three"]]);
  assert.deepEqual(sides[0], [{ model: "a" }, { model: "a" }]);
});

test("options are the same whatever the order of their names", () => {
  assert.ok(same({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }));
  for (const other of [{ a: 1 }, { a: 1, b: [1, { c: 0 }] }, { a: 1, b: [1] }, null, 1]) assert.ok(!same({ a: 1, b: [1, { c: null }] }, other));
});
