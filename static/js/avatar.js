/** A small mark for a person or an agent: their initials on a tone of their own. It stands beside a name, so nobody is read it. */
import { element, setText } from "#element";

const TONES = 8;

/** `id` decides the tone; agents are square. */
export const avatar = (name, id) => showFace(element("span", { "aria-hidden": "true" }), name, id);

/** Makes one stand for somebody else. */
export function showFace(node, name, id, isAgent = false) {
  node.className = `avatar tone-${toneOf(id)}${isAgent ? " is-agent" : ""}`;
  setText(node, initials(name));
  return node;
}

/** The first letters of the first and the last word, or "?". */
export function initials(name) {
  const words = name.trim().split(/[\s_.-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  return [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => word?.match(/[\p{L}\p{N}]\p{M}*/u)?.[0] ?? "").join("").toUpperCase() || "?";
}

/** A number below TONES, the same for the same id everywhere. */
function toneOf(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)) % 65521;
  return sum % TONES;
}
