import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "#pace";

/** Plays a stream: `[at, characters]` each; what is seen every 50 ms, up to `until`. */
function played(pieces, until, rate = 128) {
  const pace = new Pace(0, rate, 0);
  const seen = [];
  let length = 0;
  for (let now = 0; now <= until; now += 50) {
    for (const [at, size] of pieces) if (at > now - 50 && at <= now) pace.grow((length += size), at);
    seen.push(pace.at(now));
  }
  return { seen, length };
}

test("what is there at first is seen at once", () => assert.equal(new Pace(500, 128, 0).at(0), 500));

test("nothing is seen that is not there, and nothing is taken back", () => {
  const pieces = Array.from({ length: 50 }, (_, n) => [n * 130 + 7, (n * 37) % 90]);
  const { seen, length } = played(pieces, 12_000);
  for (let n = 1; n < seen.length; n += 1) assert.ok(seen[n] >= seen[n - 1]);
  assert.equal(seen.at(-1), length);
});

test("bursts flow: twenty characters each second are spread over it", () => {
  const { seen } = played(Array.from({ length: 20 }, (_, n) => [n * 1000, 20]), 20_000);
  const steps = seen.slice(200).map((each, n, all) => each - (all[n - 1] ?? each));
  assert.ok(Math.max(...steps) <= 4, `at most 4 at once, not ${Math.max(...steps)}`);
  assert.ok(steps.filter((step) => step > 0).length > 80);
});

test("a fast stream is kept up with", () => {
  const { seen } = played(Array.from({ length: 200 }, (_, n) => [n * 50, 100]), 10_000);
  const behind = 100 * 200 - seen.at(-1);
  assert.ok(behind < 2000, `less than a second behind, not ${behind} characters`);
});
