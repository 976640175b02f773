/** A text of an answer as Markdown. While it streams it flows; what was there at first, and what is complete, stands there at once. */
import { MarkdownStream } from "#markdown_stream";
import { Pace } from "#pace";

const FRAME = 50;
// Characters a second at first; 0: everything as it comes.
const RATE = Number(document.body.dataset.smooth ?? 0);
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class SmoothText {
  constructor() {
    this.prose = new MarkdownStream();
    this.node = this.prose.node;
    this.pieces = null;
    this.timer = null;
  }

  /** As `MarkdownStream.update`. */
  update(pieces, open) {
    if (!open || !RATE || still.matches) return this.showAll(pieces, open);
    if (pieces !== this.pieces) return this.begin(pieces);
    const added = pieces.slice(this.taken).join("");
    this.taken = pieces.length;
    if (!added) return;
    this.rest += added;
    this.pace.grow(this.pace.length + added.length, performance.now());
    this.show();
  }

  showAll(pieces, open) {
    clearTimeout(this.timer);
    Object.assign(this, { timer: null, pieces: null });
    this.prose.update(pieces, open);
  }

  begin(pieces) {
    const text = pieces.join("");
    Object.assign(this, { pieces, taken: pieces.length, seen: text.length, rest: "", flown: [text], pace: new Pace(text.length, RATE, performance.now()) });
    this.prose.update(this.flown, true);
  }

  /** Shows as much as is due, and comes back for the rest. */
  show() {
    clearTimeout(this.timer);
    // While nobody is looking, timers are slow.
    let size = (document.hidden ? this.pace.length : this.pace.at(performance.now())) - this.seen;
    if (/[\ud800-\udbff]/.test(this.rest[size - 1])) size -= 1; // half of an emoji
    if (size > 0) {
      this.flown.push(this.rest.slice(0, size));
      this.rest = this.rest.slice(size);
      this.seen += size;
      this.prose.update(this.flown, true);
    }
    this.timer = this.rest ? setTimeout(() => this.show(), FRAME) : null;
  }
}
