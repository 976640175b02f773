/** The page's words: those it carries, English without them, and that no text is without German ones. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../", import.meta.url);
const carried = {
  Copy: "Kopieren", "%(count)s source": ["%(count)s Quelle", "%(count)s Quellen"], "The tool failed.": "Das Werkzeug ist gescheitert.",
  "Your budget for this month is used up (%(spent)s of %(amount)s %(currency)s). The next one begins on %(day)s.":
    "Ihr Budget für diesen Monat ist aufgebraucht (%(spent)s von %(amount)s %(currency)s). Das nächste beginnt am %(day)s.",
  "The result is larger than %(bytes)s bytes.": "Das Ergebnis ist größer als %(bytes)s Bytes.",
  "The model's server failed (%(status)s).": "Der Server des Modells hat versagt (%(status)s).",
};
globalThis.document = { documentElement: { lang: "de", dataset: {} }, getElementById: () => ({ textContent: JSON.stringify(carried) }) };
const german = await import("#words");
const { said } = await import("#server_words");
delete globalThis.document;
const english = await import("../../static/js/words.js?english");

test("a page with words says them, and English where it has none", () => {
  assert.equal(german.language, "de");
  assert.deepEqual(["Copy", "Paste"].map(german.gettext), ["Kopieren", "Paste"]);
  assert.deepEqual([0, 1, 2].map((count) => german.ngettext("%(count)s source", "%(count)s sources", count)), ["%(count)s Quellen", "%(count)s Quelle", "%(count)s Quellen"]);
  assert.deepEqual([1, 2].map((count) => german.ngettext("a file", "files", count)), ["a file", "files"]);
});

test("a page without words is English", () => {
  assert.equal(english.language, "en");
  assert.equal(english.gettext("Copy"), "Copy");
  assert.deepEqual([0, 1, 2].map((count) => english.ngettext("%(count)s source", "%(count)s sources", count)), ["%(count)s sources", "%(count)s source", "%(count)s sources"]);
});

test("places are filled, each as often as it is there; numbers as one writes them", () => {
  assert.equal(english.fill("%(name)s, %(count)s times %(name)s", { name: "$& %(count)s", count: 1200 }), "$& %(count)s, 1,200 times $& %(count)s");
  assert.equal(german.fill("%(count)s", { count: 1200.5 }), "1.200,5");
});

test("what went wrong is said in German if it is one of our own errors", () => {
  assert.equal(said("The tool failed."), "Das Werkzeug ist gescheitert.");
  assert.equal(said("The model's server failed (503)."), "Der Server des Modells hat versagt (503).");
  assert.equal(said("Your budget for this month is used up (999.50 of 1000.00 USD). The next one begins on December 1."),
    "Ihr Budget für diesen Monat ist aufgebraucht (999,50 von 1.000,00 USD). Das nächste beginnt am 1. Dezember.");
  assert.equal(said("The result is larger than 1,000,000 bytes."), "Das Ergebnis ist größer als 1.000.000 Bytes.");
  assert.deepEqual(["No such city.", "", undefined, null].map(said), ["No such city.", "", undefined, null]);
});

test("every text has German words", () => {
  const catalog = readFileSync(new URL("locale/de/LC_MESSAGES/djangojs.po", root), "utf8");
  const scripts = readdirSync(new URL("static/js/", root)).map((name) => readFileSync(new URL(`static/js/${name}`, root), "utf8"));
  const texts = scripts.flatMap((script) => [...script.matchAll(/gettext(?:_noop)?\("([^"]+)"/g)].map(([, text]) => text));
  const translated = new Set([...catalog.matchAll(/^msgid "(.+)"\n(?:msgid_plural .+\n)?msgstr(?:\[0\])? "[^"]/gm)].map(([, text]) => text));
  assert.ok(texts.length > 300);
  assert.deepEqual(texts.filter((text) => !translated.has(text)), []);
});
