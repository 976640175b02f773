/** Times in words. */
import assert from "node:assert/strict";
import { test } from "node:test";

const page = (dataset) => { globalThis.document = { documentElement: { lang: "en", dataset }, getElementById: () => null }; };
page({ timeZone: "Pacific/Auckland" });
const { clockTime, dayGroup, fullDay, timeLeft } = await import("../../static/js/times.js?auckland");
page({ timeZone: "Mars/Olympus" });
const unknown = await import("../../static/js/times.js?mars");
page({});
const machines = await import("#times");

test("what is left is said in two units at most", () => {
  assert.deepEqual([0.2, 59, 60, 185, 3600, 86_399, 172_800, 273_600].map(timeLeft),
    ["1 s", "59 s", "1 min 0 s", "3 min 5 s", "1 h 0 min", "23 h 59 min", "2 d 0 h", "3 d 4 h"]);
});

test("times and days are of the zone that is set for the reader", () => {
  assert.match(clockTime("2026-05-05T23:30:00Z"), /^11:30/);
  assert.equal(fullDay("2026-05-05T23:30:00Z"), fullDay("2026-05-06T06:00:00Z"));
  const now = new Date("2026-05-05T23:30:00Z"); // the 6th, half past eleven
  const groups = ["2026-05-05T12:00:00Z", "2026-05-06T09:00:00Z", "2026-05-05T11:59:59Z", "2026-05-04T12:00:00Z", "2026-05-04T11:59:59Z"];
  assert.deepEqual(groups.map((iso) => dayGroup(iso, now)), ["Today", "Today", "Yesterday", "Yesterday", "Earlier"]);
});

test("yesterday is the day before, whatever a day's length", () => {
  const now = new Date("2026-09-27T11:30:00Z"); // half past midnight, after a day of 23 hours
  assert.deepEqual(["2026-09-27T10:59:59Z", "2026-09-26T12:00:00Z", "2026-09-26T11:59:59Z"].map((iso) => dayGroup(iso, now)), ["Yesterday", "Yesterday", "Earlier"]);
});

test("a zone that this browser does not know is as none", () => {
  const iso = "2026-05-05T23:30:00Z";
  assert.equal(unknown.clockTime(iso), machines.clockTime(iso));
  assert.equal(unknown.fullTime(iso), machines.fullTime(iso));
});
