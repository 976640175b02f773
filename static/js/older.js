/** Loads older messages when the reader comes near the top, without moving what they see. */
import { request } from "#api";

const PAGE = 50;
const LARGEST_PAGE = 200;
const NEAR = 600; // pixels from the top
const PAUSE = 3000; // after a failure

export class Older {
  constructor({ store, list, scroll, scroller, note, path }) {
    Object.assign(this, { store, list, scroll, scroller, note, path });
    this.coming = null;
    scroller.addEventListener("scroll", () => this.check(), { passive: true });
    store.subscribe(({ run }) => run === null && this.check());
    this.check();
  }

  check() {
    this.note.hidden = this.store.before === null;
    if (!this.coming && this.store.before !== null && this.scroller.scrollTop < NEAR) this.next();
  }

  /** Loads pages until `there()`, or the beginning, or `most` of them. */
  async reach(there, most) {
    for (let pages = 0; pages < most && !there() && this.store.before !== null; pages += 1) await this.next(LARGEST_PAGE);
  }

  /** One page more, or the one that is on its way. */
  next(limit = PAGE) {
    this.coming ??= this.load(limit).finally(() => (this.coming = null));
    return this.coming;
  }

  async load(limit) {
    const before = this.store.before;
    try {
      const page = await request("GET", `${this.path}/messages?${new URLSearchParams({ before, limit, view: "rows" })}`);
      this.scroll.hold(() => {
        this.store.adoptOlder(before, page);
        this.list.draw();
      });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    requestAnimationFrame(() => this.check());
  }
}
