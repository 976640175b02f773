import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { differs, readBlocks, settledCount } from "#markdown_blocks";
import { streamed } from "./streamed.mjs";

const vendored = existsSync(new URL("../../static/vendor/marked.js", import.meta.url));
const { marked } = vendored ? await import("#marked") : {};

const read = (text) => readBlocks((source) => marked.lexer(source), text);

const TEXT = [
  "# Title", "First *paragraph*\nover two lines.", "- one\n- two\n\n- three, loose\n  - inner", "1. first\n2. second\n\n3. third",
  "```python\ndef f():\n\n    return 1\n```", "After code.", "> a quote\n> goes on", "| a | b |\n|---|---|\n| 1 | 2 |", "para\n***bold***",
  "    indented\n\n    code", "Setext\n===", "<div>\nraw\n</div>", "last line",
].join("\n\n");

test("cutting on the way gives the blocks of one reading", { skip: !vendored }, () => {
  for (let size = 1; size <= 40; size += 1) assert.equal(differs(read(TEXT), streamed(read, TEXT, size)), false, `chunks of ${size}`);
});

test("nothing is lost at the cuts", { skip: !vendored }, () => {
  assert.equal(streamed(read, TEXT, 3).map((block) => block.raw).join(""), TEXT);
});

test("only the last blocks stay open", { skip: !vendored }, () => {
  const blocks = read(Array.from({ length: 50 }, (_, i) => `Paragraph ${i}.`).join("\n\n"));
  assert.ok(blocks.length - settledCount(blocks) <= 2);
});

test("a link definition asks for a whole reading", { skip: !vendored }, () => {
  const blocks = read("[a]\n\n[a]: https://example.com");
  assert.equal(differs(blocks, blocks), true);
});
