/**
 * The page's words in the reader's language, under the names that GNU gettext's tools look for. English is what stands in the code; the page
 * carries the words of other languages.
 */

const page = globalThis.document;
const carried = page?.getElementById("words");
const words = new Map(carried ? Object.entries(JSON.parse(carried.textContent)) : []);

/** The page's language, such as "de", and where numbers and dates are written as there, such as "de-AT". */
export const language = page?.documentElement.lang || "en";
export const locale = globalThis.navigator?.languages?.find((each) => each.split("-")[0] === language) ?? language;

export const gettext = (text) => words.get(text) ?? text;

/** Of a number of things; both languages have two forms. */
export const ngettext = (one, many, count) => (words.get(one) ?? [one, many])[count === 1 ? 0 : 1];

/** `fill("%(name)s is here", {name})`; numbers are written as in the page's language. */
export const fill = (text, values) =>
  text.replace(/%\((\w+)\)s/g, (_, name) => (typeof values[name] === "number" ? values[name].toLocaleString(locale) : values[name]));
