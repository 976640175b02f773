/** What the reader thinks of the answers in a thread, by the id of their first row; the same in all their pages. */
import { request } from "#api";

export class Opinions {
  /** `changed()` is called when there is something new to show. */
  constructor(path, changed) {
    Object.assign(this, { path, changed });
    this.given = new Map();
    this.load();
  }

  async load() {
    try {
      const { feedback } = await request("GET", `${this.path}/feedback`);
      for (const each of feedback) this.given.set(each.message, each);
      if (feedback.length) this.changed();
    } catch {
      // The answers are there without it; the next opinion is saved all the same.
    }
  }

  of(message) {
    return this.given.get(message);
  }

  async give(message, value, comment) {
    const path = `${this.path}/messages/${message}/feedback`;
    await (value ? request("PUT", path, { value, comment }) : request("DELETE", path));
    this.apply({ type: "feedback", message, value, comment });
  }

  /** Takes one frame of the feed. */
  apply(frame) {
    if (frame.type !== "feedback") return;
    if (frame.value) this.given.set(frame.message, frame);
    else this.given.delete(frame.message);
    this.changed();
  }
}
