import assert from "node:assert/strict";
import test from "node:test";
import { choices, listedAs, newest } from "#versions";

const branch = (id, parent, after, lastActivity = "2026-01-01") => ({ id, parent, after, last_activity: lastActivity });

/** How the conversation looks from each of its threads: "after: shown of all". */
function seen(branches) {
  const from = (id) => choices({ id, kind: id === "root" ? "main" : "branch", root: id === "root" ? null : "root", branches });
  return Object.fromEntries(["root", ...branches.map(({ id }) => id)].map((id) => [id, from(id).map(({ after, ids, at }) => `${after}: ${at + 1} of ${ids}`)]));
}

test("without branches there is nothing to choose", () => {
  assert.deepEqual(seen([]), { root: [] });
});

test("a changed prompt is chosen where it stands", () => {
  assert.deepEqual(seen([branch("a", "root", [2, 1])]), { root: ["2,1: 1 of root,a"], a: ["2,1: 2 of root,a"] });
});

test("the first prompt can be chosen too", () => {
  assert.deepEqual(seen([branch("a", "root", [-1, 0])]).a, ["-1,0: 2 of root,a"]);
});

test("a change of a change is one more version of the same place", () => {
  const shown = seen([branch("a", "root", [2, 1]), branch("b", "a", [2, 1])]);
  assert.deepEqual(shown, { root: ["2,1: 1 of root,a,b"], a: ["2,1: 2 of root,a,b"], b: ["2,1: 3 of root,a,b"] });
});

test("later changes are choices of that version only", () => {
  const shown = seen([branch("a", "root", [2, 1]), branch("b", "a", [4, 1]), branch("c", "root", [5, 0])]);
  assert.deepEqual(shown.root, ["2,1: 1 of root,a", "5,0: 1 of root,c"]);
  assert.deepEqual(shown.a, ["2,1: 2 of root,a", "4,1: 1 of a,b"]);
  assert.deepEqual(shown.b, ["2,1: 2 of root,a", "4,1: 2 of a,b"]);
  assert.deepEqual(shown.c, ["2,1: 1 of root,a", "5,0: 2 of root,c"]);
});

test("a change of an earlier prompt in a branch parts from the root", () => {
  const shown = seen([branch("a", "root", [4, 1]), branch("b", "a", [1, 1])]);
  assert.deepEqual(shown.a, ["1,1: 1 of root,b", "4,1: 2 of root,a"]);
  assert.deepEqual(shown.b, ["1,1: 2 of root,b"]);
});

test("a branch whose parent is gone belongs to the root", () => {
  assert.deepEqual(seen([branch("b", null, [3, 0])]).b, ["3,0: 2 of root,b"]);
});

test("lists lead to where something was said last", () => {
  const thread = (lastActivity, ...branches) => ({ id: "root", last_activity: lastActivity, branches });
  assert.equal(newest(thread("2026-01-05")), "root");
  assert.equal(newest(thread("2026-01-05", branch("a", "root", [0, 1], "2026-01-04"))), "root");
  assert.equal(newest(thread("2026-01-05", branch("a", "root", [0, 1], "2026-01-05"), branch("b", "a", [0, 1], "2026-01-04"))), "a");
});

test("a branch is listed as its root", () => {
  assert.equal(listedAs({ id: "a", kind: "branch", root: "r" }), "r");
  assert.equal(listedAs({ id: "a", kind: "fork", root: "r" }), "a");
});
