/** What things cost, in words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addUsages, costInWords, usageInWords } from "#money";

test("a tool call costs its fee, or what the agent that it asked was charged, or its tokens where no price is known", () => {
  assert.equal(costInWords({ charge: "0.25", currency: "USD" }), "$0.25");
  assert.equal(costInWords({ total: 1204, charge: "0.004", currency: "USD" }), "0.4 ct");
  assert.equal(costInWords({ total: 1204 }), "1,204 tokens");
  assert.deepEqual([{}, undefined].map(costInWords), ["", ""]);
});

test("an answer costs tokens, and money if all of its steps know it", () => {
  const known = { total: 1000, charge: "0.25", currency: "USD" };
  assert.equal(usageInWords(addUsages([known, known, null])), "2,000 tokens · $0.50");
  assert.equal(usageInWords(addUsages([known, { total: 204 }])), "1,204 tokens");
  assert.equal(usageInWords({}), "");
});
