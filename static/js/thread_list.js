/** The list of threads: newest activity first, by day, with a dot where somebody is answering. */
import { request } from "#api";
import { arrange, element, setText } from "#element";
import { dayGroup } from "#times";
import { newest } from "#versions";

const GROUPS = ["Today", "Yesterday", "Earlier"];
const PAGE = 50;

export class ThreadList {
  /** `threads` is the newest page, `before` the cursor of the next one or null. */
  constructor(node, { threads, before }, currentId) {
    Object.assign(this, { node, currentId, before });
    this.threads = new Map();
    this.entries = new Map();
    this.groups = new Map(GROUPS.map((name) => [name, new Group(name)]));
    this.more = element("button", { type: "button", class: "quiet", hidden: before === null, onclick: () => this.loadMore() }, "Show older threads");
    this.empty = element("p", { class: "muted" }, "Your threads will be listed here.");
    this.apply({ type: "threads", threads });
  }

  /** Takes one frame of the feed. */
  apply(frame) {
    if (frame.type === "threads") for (const thread of frame.threads) this.keep(thread);
    else if (frame.type === "thread") this.keep(frame.thread);
    else if (frame.type === "thread_gone") this.threads.delete(frame.id);
    else return;
    this.draw();
  }

  keep(thread) {
    const held = this.threads.get(thread.id);
    if (held && held.version > thread.version) return;
    if (thread.status === "archived") this.threads.delete(thread.id);
    else this.threads.set(thread.id, thread);
  }

  draw() {
    const threads = [...this.threads.values()].sort((a, b) => b.last_activity.localeCompare(a.last_activity));
    for (const [name, group] of this.groups) {
      group.fill(threads.filter((thread) => dayGroup(thread.last_activity) === name).map((thread) => this.entry(thread)));
    }
    const filled = [...this.groups.values()].filter((group) => group.size).map((group) => group.node);
    arrange(this.node, [...(filled.length ? filled : [this.empty]), this.more]);
  }

  entry(thread) {
    if (!this.entries.has(thread.id)) this.entries.set(thread.id, makeEntry(thread.id === this.currentId));
    const { node, link, title, dot } = this.entries.get(thread.id);
    link.href = `/threads/${newest(thread)}/`;
    setText(title, thread.title || "New thread");
    dot.hidden = !thread.running;
    return node;
  }

  async loadMore() {
    const page = await request("GET", `/api/threads?${new URLSearchParams({ limit: PAGE, before: this.before })}`);
    this.before = page.before;
    this.more.hidden = page.before === null;
    this.apply({ type: "threads", threads: page.threads });
  }
}

function makeEntry(current) {
  const title = element("span", { class: "entry-title" });
  const dot = element("span", { class: "dot", role: "img", "aria-label": "answering" });
  const link = element("a", { "aria-current": current ? "page" : null }, title, dot);
  return { node: element("li", {}, link), link, title, dot };
}

class Group {
  constructor(name) {
    this.list = element("ul", {});
    this.node = element("section", {}, element("h2", { class: "small-title" }, name), this.list);
    this.size = 0;
  }

  fill(nodes) {
    this.size = nodes.length;
    arrange(this.list, nodes);
  }
}
