/** Times in words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { timeLeft } from "#times";

test("what is left is said in two units at most", () => {
  assert.deepEqual([0.2, 59, 60, 185, 3600, 86_399, 172_800, 273_600].map(timeLeft),
    ["1 s", "59 s", "1 min 0 s", "3 min 5 s", "1 h 0 min", "23 h 59 min", "2 d 0 h", "3 d 4 h"]);
});
