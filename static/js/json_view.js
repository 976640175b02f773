/** JSON for people: indented, and cut where it gets long. */
import { element } from "#element";

const FIRST = 8000;

/** A block showing a value; text stays text. */
export function jsonView(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
  const block = element("pre", { class: "json", tabindex: "0" }, text.slice(0, FIRST));
  if (text.length <= FIRST) return block;
  const rest = element("button", { type: "button", class: "quiet" }, `Show ${(text.length - FIRST).toLocaleString()} more characters`);
  rest.addEventListener("click", () => {
    block.textContent = text;
    rest.remove();
  });
  return element("div", {}, block, rest);
}
