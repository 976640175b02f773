/** Says that the reader has seen the thread that is open, while its page is looked at. */
import { request } from "#api";
import { isNew } from "#thread_entry";

const PAUSE = 500;

export class Seen {
  constructor() {
    this.thread = null;
    this.timer = null;
    document.addEventListener("visibilitychange", () => this.look());
  }

  /** Takes the thread as the reader's list has it, each time that changes. */
  update(thread) {
    this.thread = thread;
    this.look();
  }

  look() {
    if (!this.thread || !isNew(this.thread) || document.hidden || this.timer) return;
    this.timer = setTimeout(() => this.tell(), PAUSE);
  }

  async tell() {
    try {
      if (!document.hidden) await request("PATCH", `/api/threads/${this.thread.id}/mine`, { seen: true });
    } catch {
      // It stays new in the list, which is no worse than before; the next change tries again.
    } finally {
      this.timer = null;
    }
  }
}
