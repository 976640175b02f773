/** Leads to the place that the address names: `#message-<id>`, `#call-<id>`, or `#after-<order>.<step>`, where versions part. */
export class Jump {
  constructor({ store, list, scroll, pages }) {
    Object.assign(this, { store, list, scroll, pages });
    addEventListener("hashchange", () => this.go());
    if (location.hash) this.go();
  }

  async go() {
    const [, kind, name] = location.hash.match(/^#(message|call|after)-([\w.-]+)$/) ?? [];
    if (!kind) return;
    this.scroll.release();
    if (kind === "after") await this.reachTurn(Number.parseInt(name, 10));
    else await this.reachMessage(kind === "call" ? this.store.toolCalls.get(name)?.message : name);
    this.list.draw();
    const node = kind === "message" ? this.list.nodeOf(name) : document.getElementById(`${kind}-${name}`);
    if (!node) return;
    node.scrollIntoView({ block: kind === "message" ? "start" : "center" });
    this.scroll.release();
    if (kind === "message") mark(node);
  }

  async reachMessage(id) {
    const row = this.store.messages.get(id);
    if (id && !(row && this.store.shows(row.order))) await this.pages.lead({ around: id });
  }

  /** What comes after a position is in its turn, or in the next one. */
  async reachTurn(order) {
    if (!this.store.shows(Math.max(order, 0)) || !this.store.shows(order + 1)) await this.pages.lead({ after: Math.max(order, 0) });
  }
}

/** Shows for a moment which one was meant. */
function mark(node) {
  node.classList.remove("is-meant");
  void node.offsetWidth; // so that it begins anew
  node.classList.add("is-meant");
}
