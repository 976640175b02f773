/** The messages as they stand in the store: keyed, drawn at most once per frame, and only where something changed. */
import { AnswerView } from "#answer_view";
import { arrange, keepingFocus } from "#element";
import { MessageView } from "#message_view";
import { timeline } from "#timeline";

export class MessageList {
  /** `tools` is handed to each view; `scroll` keeps the reader's place. */
  constructor(store, node, scroll, tools) {
    Object.assign(this, { store, node, scroll, tools });
    this.views = new Map();
    this.items = [];
    this.frame = null;
    this.changed = new Set(); // runs with new live parts
    this.restructured = true;
    store.subscribe(({ run }) => this.schedule(run));
    setInterval(() => this.tick(), 1000);
    this.draw();
  }

  schedule(run) {
    if (run === null) this.restructured = true;
    else this.changed.add(run);
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    const before = this.items.length;
    if (this.restructured) this.items = timeline(this.store);
    const stale = this.restructured ? this.items : this.items.filter((item) => this.changed.has(item.run));
    for (const item of stale) this.view(item).update(item);
    if (this.restructured) this.place();
    this.restructured = false;
    this.changed.clear();
    this.scroll.settle(this.items.length - before);
  }

  view(item) {
    const type = item.kind === "answer" ? AnswerView : MessageView;
    if (!this.views.has(item.key)) this.views.set(item.key, new type(this.tools));
    return this.views.get(item.key);
  }

  place() {
    const keys = new Set(this.items.map((item) => item.key));
    for (const [key, { node }] of this.views) if (!keys.has(key) && !isBeingWritten(node)) this.views.delete(key);
    const nodes = this.items.map((item) => this.views.get(item.key).node);
    keepingFocus(this.node, () => arrange(this.node, nodes), document.getElementById("text"));
  }

  /** What shows the message of this id, or null. */
  nodeOf(id) {
    const item = this.items.find(({ message, rows }) => message?.id === id || rows?.some((row) => row.id === id));
    return item ? this.views.get(item.key).node : null;
  }

  /** The turn after the last one that begins above `y`, or null if none begins below. */
  orderBeyond(y) {
    const last = this.items.findLastIndex((item) => this.views.get(item.key).node.getBoundingClientRect().top <= y);
    const next = this.items.slice(last + 1).find(({ order }) => order > (this.items[last]?.order ?? -1));
    return next ? next.order : null;
  }

  /** The turn of the first item that ends below `y`. */
  orderWithin(y) {
    return this.items.find((item) => this.views.get(item.key).node.getBoundingClientRect().bottom >= y)?.order ?? null;
  }

  tick() {
    for (const run of this.store.activeRuns) {
      for (const item of this.items) if (item.run === run.id) this.views.get(item.key)?.tick();
    }
  }
}

/** Whether somebody has begun to write in there; they may scroll away and come back. */
const isBeingWritten = (node) => [...node.querySelectorAll("input, textarea")].some((field) => field.value);
