/** Initials of all kinds of names. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { initials } from "#avatar";

for (const [name, expected] of [
  ["alice", "A"], ["Alice Liddell", "AL"], ["anna maria von der Heide", "AH"], ["bob_builder", "BB"], ["olga.k", "OK"],
  ["Žofie Černá", "ŽČ"], ["ゆき 山田", "ゆ山"], ["  7 dwarfs ", "7D"], ["(support)", "S"], ["…", "?"], ["", "?"], ["😀", "?"], ["é", "É"],
]) {
  test(`initials of "${name}"`, () => assert.equal(initials(name), expected));
}
