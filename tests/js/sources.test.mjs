/** Sources: pages only, each once, whatever a model, a tool or an imported file said. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sourcesIn, sourcesOf } from "#sources";

const part = (url, title = "") => ({ type: "source-url", sourceId: "1", url, title });

test("only pages, each once, with a title or the host", () => {
  const odd = [null, 3, "x", {}, part("javascript:alert(1)"), part("data:text/html,x"), part("nonsense"), part(7), part("https://c.test/", { toString: 1, valueOf: 1 })];
  assert.deepEqual(sourcesOf([...odd, part("https://a.test/x"), part("https://a.test/x", "Again"), part("http://b.test", "B")]), [
    { url: "https://c.test/", title: "c.test", host: "c.test" }, { url: "https://a.test/x", title: "a.test", host: "a.test" }, { url: "http://b.test/", title: "B", host: "b.test" }]);
});

test("anywhere in what a tool returned", () =>
  assert.deepEqual(sourcesIn({ text: "x", found: [{ at: part("https://a.test") }, part("https://b.test")], n: null }).map(({ url }) => url), ["https://a.test", "https://b.test"]));
