/** JSON for people: indented, and cut where it gets long. */
import { element } from "#element";
import { fill, gettext } from "#words";

const FIRST = 8000;

/** A block showing a value; text stays text. */
export function jsonView(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
  const block = element("pre", { class: "json", tabindex: "0" }, text.slice(0, FIRST));
  if (text.length <= FIRST) return block;
  const rest = element("button", { type: "button", class: "quiet" }, fill(gettext("Show %(count)s more characters"), { count: text.length - FIRST }));
  rest.addEventListener("click", () => {
    block.textContent = text;
    rest.remove();
  });
  return element("div", {}, block, rest);
}
