/** What a browser has to fetch before the first message can be written. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const root = new URL("../../", import.meta.url);
const { imports } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
const MOST = 300_000; // bytes, compressed

/** The file behind what a module imports. */
function fileOf(name) {
  const known = Object.keys(imports).find((key) => (key.endsWith("*") ? name.startsWith(key.slice(0, -1)) : name === key));
  return imports[known].replace("*", name.slice(known.length - 1));
}

/** A module, and those that it cannot begin without. */
function modules(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  const script = readFileSync(new URL(file, root), "utf8");
  if (!file.includes("/vendor/")) for (const [, name] of script.matchAll(/^import [^;]*?"(#[^"]+)";/gms)) modules(fileOf(name), found);
  return found;
}

test("a thread's page weighs less than 300 KB, with all of its styles and the German words", () => {
  const styles = readdirSync(new URL("static/css/", root)).map((name) => `./static/css/${name}`);
  const words = "./locale/de/LC_MESSAGES/djangojs.mo";
  const files = [...modules("./static/js/chat.js"), ...styles, "./static/vendor/pico.css", words];
  const weight = files.reduce((sum, file) => sum + gzipSync(readFileSync(new URL(file, root))).length, 0);
  assert.ok(files.length > 70);
  assert.ok(weight > 100_000 && weight < MOST, `${weight} bytes`);
});
