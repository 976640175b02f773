/** Large exports go in pieces: all of it, each of at most the size unless one conversation is larger alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pieces } from "#bring_in";

const texts = (lengths) => lengths.map((length) => "x".repeat(length - 2)); // and two quotes

for (const [lengths, expected] of [[[], []], [[3], [[3]]], [[4, 4, 4], [[4, 4], [4]]], [[20, 3, 3], [[20], [3, 3]]], [[3, 20], [[3], [20]]]]) {
  test(`pieces of 10 from ${lengths}`, () => assert.deepEqual(pieces(texts(lengths), 10).map((piece) => piece.map((text) => text.length)), expected));
}
