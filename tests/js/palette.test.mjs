import assert from "node:assert/strict";
import { test } from "node:test";
import { fits } from "#palette";

for (const [text, label, wanted] of [
  ["", "Anything", true],
  ["tri osl", "Trip to Oslo", true],
  ["oslo trip", "Trip to Oslo", true],
  ["rip", "Trip to Oslo", true],
  ["ri", "Trip to Oslo", false],
  ["trip rome", "Trip to Oslo", false],
  ["ü", "Über uns", true],
]) test(`${JSON.stringify(text)} in ${JSON.stringify(label)}`, () => assert.equal(fits(text, label), wanted));
