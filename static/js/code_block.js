/** A block of code with its language, a copy button and, once it is complete, colours. */
import DOMPurify from "#dompurify";
import { element } from "#element";
import { gettext } from "#words";

const TOO_LONG = 60_000; // characters; colouring more would be felt

/** A block showing `text`; give it to `colour` when no more is coming. */
export function codeBlock(text, language) {
  // marked ends every block with a line break that nobody wrote.
  const code = element("code", language ? { class: `language-${language}` } : {}, text.replace(/\n$/, ""));
  return element("div", { class: "code" },
    element("div", { class: "code-bar" }, element("span", {}, language || gettext("text")), copyButton(() => code.textContent)),
    element("pre", { tabindex: "0" }, code));
}

/** A button that copies what `text()` gives, and says so. */
export function copyButton(text) {
  const button = element("button", { type: "button", class: "quiet copy" }, gettext("Copy"));
  button.addEventListener("click", async () => {
    const done = await copy(text());
    button.textContent = done ? gettext("Copied") : gettext("Not copied");
    setTimeout(() => { button.textContent = gettext("Copy"); }, 1500);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // no permission, or a page without TLS
    return false;
  }
}

/** Colours the finished code blocks among these nodes. */
export async function colour(nodes) {
  const codes = nodes.flatMap(codesIn).filter((code) => code.className && code.parentNode.localName === "pre");
  if (codes.length === 0) return;
  const { default: highlighter } = await import("#highlight");
  for (const code of codes) {
    const language = code.className.replace("language-", "");
    const text = code.textContent;
    if (text.length > TOO_LONG || !highlighter.getLanguage(language)) continue;
    const html = highlighter.highlight(text, { language, ignoreIllegals: true }).value;
    code.replaceChildren(DOMPurify.sanitize(html, { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true }));
  }
}

// By tag name: Chromium takes time for "pre > code" that grows with all that stands beside the node.
const codesIn = (node) => [...(node.getElementsByTagName?.("code") ?? [])];
