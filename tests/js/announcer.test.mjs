/** What a screen reader is told of an answer: its start, its end, and that it waits; three times at most. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Announcer } from "#announcer";

function told(statuses, at = []) {
  const said = [];
  const node = { set textContent(text) { said.push(text); } };
  const store = { runs: new Map(at.map((status) => ["r", { id: "r", agent: "a", status }])), subscribe(listener) { this.listener = listener; } };
  new Announcer(store, node, (name) => name.toUpperCase());
  for (const status of statuses) {
    store.runs.set("r", { id: "r", agent: "a", status, error: status === "failed" ? { message: "Too slow." } : null });
    store.listener({ run: null });
    store.listener({ run: "r" }); // more of its text
  }
  return said;
}

test("an answer begins and ends", () => assert.deepEqual(told(["queued", "running", "running", "succeeded"]), ["A is answering.", "A has answered. "]));

test("another worker that goes on is no new beginning", () =>
  assert.deepEqual(told(["queued", "running", "queued", "running", "failed"]), ["A is answering.", "A could not answer. Too slow."]));

test("that it waits is told, and that it goes on is not", () =>
  assert.deepEqual(told(["running", "waiting", "queued", "running", "succeeded"]), ["A is answering.", "A waits for a person.", "A has answered. "]));

test("what went on before one came has begun", () => assert.deepEqual(told(["running", "stopped"], ["running"]), ["A was stopped. "]));
