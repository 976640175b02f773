import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { differs, readBlocks } from "#markdown_blocks";
import { streamed } from "./streamed.mjs";

const vendored = ["marked", "dompurify"].every((name) => existsSync(new URL(`../../static/vendor/${name}.js`, import.meta.url)));
const { Marked } = vendored ? await import("#marked") : {};
const { extension } = vendored ? await import("#maths") : {};
const marked = vendored ? new Marked({ gfm: true }).use(extension) : null;
const html = (text) => marked.parse(text).trim();
const inline = (tex) => `<code class="language-maths">${tex}</code>`;
const block = (tex) => `<p><code class="language-maths-block">${tex}</code></p>`;

for (const [text, wanted] of [
  ["$x^2$", `<p>${inline("x^2")}</p>`],
  ["so $a_1$, \\(b*c*d\\).", `<p>so ${inline("a_1")}, ${inline("b*c*d")}.</p>`],
  ["$\\$5$", `<p>${inline("\\$5")}</p>`],
  ["$<b>$", `<p>${inline("&#60;b&#62;")}</p>`],
  ["It costs $5 and $6.", "<p>It costs $5 and $6.</p>"],
  ["$5-$6 or US$ 7, 8$", "<p>$5-$6 or US$ 7, 8$</p>"],
  ["a $ b $ c", "<p>a $ b $ c</p>"],
  ["`$x$`", "<p><code>$x$</code></p>"],
  ["$$x = 1$$", block("x = 1")],
  ["$$\na\n\nb\n$$\nafter", `${block("a\n\nb")}<p>after</p>`],
  ["\\[ y \\]", block("y")],
  ["before\n\n$$\nz", `<p>before</p>\n${block("z")}`],
  ["```\n$$\nx\n$$\n```", "<pre><code>$$\nx\n$$\n</code></pre>"],
]) {
  test(`formulas in ${JSON.stringify(text)}`, { skip: !vendored }, () => assert.equal(html(text), wanted));
}

test("a formula that grows is never cut", { skip: !vendored }, () => {
  const text = "First $x$.\n\n$$\na\n\n- b\n\nc\n$$\n\nThen \\(y\\).\n\n$$d$$\n\nlast";
  const read = (source) => readBlocks((each) => marked.lexer(each), source);
  for (const size of [1, 2, 3, 7]) assert.equal(differs(read(text), streamed(read, text, size)), false, `in pieces of ${size}`);
});
