/** Formulas, in TeX: found in Markdown as source, and set as MathML once their text is complete. */
import DOMPurify from "#dompurify";
import { element } from "#element";

const TOO_LONG = 10_000; // characters
// What KaTeX makes: nothing that leads anywhere, no styles, no source beside it.
const TAGS = `math mrow mi mn mo ms mtext mspace msup msub msubsup mfrac mroot msqrt munder mover munderover mtable mtr mtd mstyle mpadded mphantom
  menclose mglyph semantics`.split(/\s+/);
const ATTRIBUTES = `display mathvariant stretchy fence separator lspace rspace minsize maxsize movablelimits symmetric accent accentunder linethickness
  columnalign rowalign columnspacing rowspacing columnlines rowlines scriptlevel displaystyle width height depth voffset notation xmlns`.split(/\s+/);
const ALLOWED = { ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ATTRIBUTES, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, FORBID_CONTENTS: ["annotation"], RETURN_DOM_FRAGMENT: true };
const LIMITS = { output: "mathml", throwOnError: true, strict: false, trust: false, maxSize: 20, maxExpand: 300 };

// A dollar before a space or after one is money, as is one before a digit, or before a number and a word.
const INLINE = [/^\$(?![\s$]|\d[\d.,]*\s+[a-z]{2})((?:\\[^\n]|[^\\$\n])+?)(?<!\s)\$(?![\d$])/i, /^\\\(((?:\\[^)]|[^\\])+?)\\\)/];
// Between two lines of dollars there may be empty lines; such a formula is one as soon as it begins, so that it is not cut while it grows.
const BLOCK = [/^\$\$[ \t]*\n([\s\S]*?)(?:\n\$\$[ \t]*(?:\n+|$)|$)/, /^\$\$((?:\\[^\n]|[^\\$\n]|\n(?!\s*\n))+?)\$\$[ \t]*(?:\n+|$)/, /^\\\[((?:[^\\\n]|\\[^\]]|\n(?!\s*\n))+?)\\\][ \t]*(?:\n+|$)/];

const escaped = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

/** What marked needs to find formulas; they come out as code of the language `maths` or `maths-block`. */
export const extension = {
  extensions: [
    rule("maths", "inline", /\$|\\\(/, INLINE, (tex) => `<code class="language-maths">${escaped(tex)}</code>`),
    rule("mathsBlock", "block", /(?:^|\n)(?:\$\$|\\\[)/, BLOCK, (tex) => `<p><code class="language-maths-block">${escaped(tex)}</code></p>`),
  ],
};

function rule(name, level, begin, patterns, renderer) {
  return {
    name,
    level,
    start: (text) => {
      const at = text.search(begin);
      return at < 0 ? undefined : at;
    },
    tokenizer: (text) => {
      const found = patterns.map((pattern) => pattern.exec(text)).find(Boolean);
      return found ? { type: name, raw: found[0], tex: found[1].trim() } : undefined;
    },
    renderer: ({ tex }) => renderer(tex),
  };
}

/** Sets the formulas among these nodes. One that KaTeX cannot read stays as it was written. */
export async function setMaths(nodes) {
  const sources = nodes.flatMap((node) => [...(node.getElementsByTagName?.("code") ?? [])]).filter(isFormula);
  if (sources.length === 0) return;
  const { default: katex } = await import("#katex");
  for (const source of sources) set(source, katex);
}

const isFormula = (code) => /^language-maths(-block)?$/.test(code.className) && code.parentNode.localName !== "pre";

function set(source, katex) {
  const displayMode = source.className.endsWith("-block");
  if (source.textContent.length > TOO_LONG) return;
  let markup;
  try {
    markup = katex.renderToString(source.textContent, { ...LIMITS, displayMode });
  } catch {
    return;
  }
  const fragment = DOMPurify.sanitize(markup, ALLOWED);
  if (displayMode) source.parentNode.replaceWith(element("div", { class: "maths", tabindex: "0" }, fragment));
  else source.replaceWith(element("span", { class: "maths" }, fragment));
}
