/** The pages that an answer rests on: one line that opens to a list. */
import { element, icon, setText } from "#element";
import { fill, ngettext } from "#words";

const SEVERAL = 100;

/** `{url, title, host}` of all that are pages, each once. */
export function sourcesOf(parts) {
  const found = new Map();
  for (const part of parts) {
    const { url, title } = part ?? {}; // what was brought in may hold anything
    if (found.size === SEVERAL || typeof url !== "string" || !URL.canParse(url)) continue;
    const { protocol, host, href } = new URL(url);
    if (["https:", "http:"].includes(protocol) && !found.has(href)) found.set(href, { url: href, title: (typeof title === "string" && title) || host, host });
  }
  return [...found.values()];
}

const found = new WeakMap();

/** The source parts in a tool's result, wherever they are; results are replaced, never changed. */
export function sourcesOfResult(result) {
  if (!result || typeof result !== "object") return [];
  if (!found.has(result)) found.set(result, sourcesIn(result));
  return found.get(result);
}

/** The source parts in some JSON. */
export function sourcesIn(value) {
  if (value?.type === "source-url") return [value];
  return value && typeof value === "object" ? Object.values(value).flatMap(sourcesIn) : [];
}

export class SourceList {
  constructor() {
    this.summary = element("span", {});
    this.list = element("ol", {});
    this.node = element("details", { class: "sources", hidden: true }, element("summary", {}, icon("link"), this.summary), this.list);
  }

  update(parts) {
    const sources = sourcesOf(parts);
    const key = JSON.stringify(sources);
    this.node.hidden = sources.length === 0;
    if (key === this.key) return;
    this.key = key;
    setText(this.summary, fill(ngettext("%(count)s source", "%(count)s sources", sources.length), { count: sources.length }));
    this.list.replaceChildren(...sources.map(({ url, title, host }) => element("li", {},
      element("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, title), " ", element("span", { class: "muted" }, host))));
  }
}
