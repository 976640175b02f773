/** What two texts, or two lists, have in common and what not. */
import "#diff";
import { element } from "#element";
import { gettext } from "#words";

const { diffArrays, diffWordsWithSpace } = globalThis.Diff;
// Above this two texts are not compared word by word, which would take the page a while.
const LONGEST = 60_000;

/** Whether two values say the same; the order of names does not matter. */
export function same(a, b) {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return a === b;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => same(a[name], b[name]));
}

/** Pairs `{left, right}` of two lists; one of them is missing where the other list has nothing that says the same. */
export function paired(left, right) {
  const pairs = [];
  for (const { added, removed, value } of diffArrays(left, right, { comparator: same })) {
    // Of equal ones the library gives the right list's.
    for (const each of value) pairs.push({ left: added ? undefined : each, right: removed ? undefined : each });
  }
  return pairs;
}

/** A text with what was taken out of it and what was put in, marked. */
export function changedText(before, after) {
  if (before === after) return element("p", { class: "muted" }, gettext("Nothing differs."));
  if (before.length + after.length > LONGEST) return element("div", { class: "changed" }, gettext("The texts are too long to be compared word by word."));
  const pieces = diffWordsWithSpace(before, after).map(({ added, removed, value }) => (added || removed ? element(added ? "ins" : "del", {}, value) : value));
  return element("div", { class: "changed" }, ...pieces);
}
