/** Leads to the place that the address names: `#message-<id>`, or `#after-<order>.<step>`, where versions part. */
const MOST_PAGES = 50;

export class Jump {
  constructor({ store, list, scroll, older }) {
    Object.assign(this, { store, list, scroll, older });
    addEventListener("hashchange", () => this.go());
    if (location.hash) this.go();
  }

  async go() {
    const [, kind, name] = location.hash.match(/^#(message|after)-([\w.-]+)$/) ?? [];
    if (!kind) return;
    this.scroll.release();
    await this.older.reach(() => (kind === "message" ? this.store.messages.has(name) : this.reaches(name)), MOST_PAGES);
    this.list.draw();
    const node = kind === "message" ? this.list.nodeOf(name) : document.getElementById(`after-${name}`);
    if (!node) return;
    node.scrollIntoView({ block: kind === "message" ? "start" : "center" });
    this.scroll.release();
    if (kind === "message") mark(node);
  }

  reaches(place) {
    const order = Number.parseInt(place, 10);
    return this.store.before === null || order >= this.store.before;
  }
}

/** Shows for a moment which one was meant. */
function mark(node) {
  node.classList.remove("is-meant");
  void node.offsetWidth; // so that it begins anew
  node.classList.add("is-meant");
}
