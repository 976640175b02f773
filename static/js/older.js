/** Loads older messages when the reader comes near the top, without moving what they see. */
import { request } from "#api";

const PAGE = 50;
const NEAR = 600; // pixels from the top
const PAUSE = 3000; // after a failure

export class Older {
  constructor({ store, list, scroll, scroller, note, path }) {
    Object.assign(this, { store, list, scroll, scroller, note, path });
    this.loading = false;
    scroller.addEventListener("scroll", () => this.check(), { passive: true });
    store.subscribe(({ run }) => run === null && this.check());
    this.check();
  }

  check() {
    this.note.hidden = this.store.before === null;
    if (!this.loading && this.store.before !== null && this.scroller.scrollTop < NEAR) this.load();
  }

  async load() {
    this.loading = true;
    const before = this.store.before;
    try {
      const page = await request("GET", `${this.path}/messages?${new URLSearchParams({ before, limit: PAGE, view: "rows" })}`);
      this.scroll.hold(() => {
        this.store.adoptOlder(before, page);
        this.list.draw();
      });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    this.loading = false;
    requestAnimationFrame(() => this.check());
  }
}
