/** Markdown to safe nodes. What a model wrote is hostile: no raw HTML, no images, no styles, no links but to the web. */
import { Marked } from "#marked";
import DOMPurify from "#dompurify";
import { codeBlock } from "#code_block";
import { element } from "#element";
import { readBlocks } from "#markdown_blocks";
import { extension } from "#maths";
import { gettext } from "#words";

const escaped = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
const IMAGE = escaped(gettext("image"));
const isLineBreak = (html) => /^<br\s*\/?>$/i.test(html.trim());

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => (isLineBreak(text) ? "<br>" : escaped(text)),
    // A remote image would tell its server who reads this, and could carry data away in its address.
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)} (${IMAGE})</a>`,
  },
});

marked.use(extension);

const ALLOWED = {
  ALLOWED_TAGS: (
    "p br hr em strong del code pre blockquote ul ol li input h1 h2 h3 h4 h5 h6 table thead tbody tr th td a"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "align", "start", "type", "checked", "disabled", "class"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  // Else they would have to look like addresses, and were dropped: task lists had text fields, tables and lists lost their order.
  ADD_URI_SAFE_ATTR: ["align", "start", "type"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  // Code names its language; spans are let through only where the highlighter made them.
  const named = node.localName === "span" || (node.localName === "code" && /^language-\S+$/.test(node.className));
  if (node.hasAttribute("class") && !named) node.removeAttribute("class");
  if (node.localName === "a" && node.hasAttribute("href")) {
    node.setAttribute("rel", "noopener noreferrer nofollow");
    node.setAttribute("target", "_blank");
  }
});

/** The blocks of a text: marked's tokens. */
export const blocksOf = (text) => readBlocks(lexed, text);

// marked descends into each level of a quote or list: some thousand of them are more than the stack holds.
function lexed(text) {
  try {
    return marked.lexer(text);
  } catch {
    return [{ type: "plain", raw: text }];
  }
}

/** The nodes of one block. */
export function nodesOf(block) {
  if (block.type === "plain") return [element("p", {}, block.raw)];
  const fragment = DOMPurify.sanitize(marked.parser([block]), ALLOWED);
  for (const code of fragment.querySelectorAll("pre > code")) {
    code.parentNode.replaceWith(codeBlock(code.textContent, code.className.replace("language-", "")));
  }
  for (const box of fragment.querySelectorAll("input")) box.setAttribute("aria-label", box.checked ? gettext("Done") : gettext("Not done yet"));
  for (const table of fragment.querySelectorAll("table")) {
    const box = element("div", { class: "table-box", tabindex: "0" });
    table.replaceWith(box);
    box.append(table);
  }
  return [...fragment.childNodes];
}
