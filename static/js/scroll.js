/** Follows the end while the reader is there, and never moves the page otherwise. */
import { setText } from "#element";
import { fill, gettext } from "#words";

const NEAR = 32;

export class Scroll {
  /** `scroller` scrolls `content`; `pill` is the button back to the end. */
  constructor(scroller, content, pill) {
    Object.assign(this, { scroller, content, pill });
    this.following = true;
    this.unseen = 0;
    this.top = 0;
    // Of pages that do not hold the whole thread: whether more follows, and the way to its end.
    this.leadsOn = () => false;
    this.back = null;
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.release(), { passive: true });
    pill.addEventListener("click", () => this.toEnd());
    const observer = new ResizeObserver(() => this.following && this.toEnd());
    observer.observe(scroller);
    observer.observe(content);
  }

  get distance() {
    return this.scroller.scrollHeight - this.scroller.clientHeight - this.scroller.scrollTop;
  }

  scrolled() {
    const up = this.scroller.scrollTop < this.top;
    this.top = this.scroller.scrollTop;
    if (this.leadsOn()) this.release();
    else if (this.distance <= 2 || (!up && this.distance <= NEAR)) this.follow();
    else if (up) this.release();
  }

  follow() {
    this.following = true;
    this.unseen = 0;
    this.pill.hidden = true;
  }

  /** The reader looks at something: the end may grow without moving it. */
  release() {
    if (this.scroller.scrollHeight <= this.scroller.clientHeight) return;
    this.following = false;
    this.showPill();
  }

  toEnd() {
    if (this.leadsOn()) return void this.back();
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.top = this.scroller.scrollTop;
    this.follow();
  }

  /** After a drawing that added `added` items at the end. */
  settle(added) {
    if (this.following) return this.toEnd();
    if (!this.holding) this.unseen += Math.max(0, added);
    this.showPill();
  }

  showPill() {
    this.pill.hidden = this.following || (this.distance <= NEAR && !this.leadsOn());
    setText(this.pill, this.unseen ? fill(gettext("%(count)s new · Jump to latest"), { count: this.unseen }) : gettext("Jump to latest"));
  }

  /** Runs `change`, which adds or removes content above, with what is on screen staying where it is. */
  hold(change) {
    const top = this.scroller.getBoundingClientRect().top;
    const anchor = [...this.content.children].find((node) => node.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    this.holding = true;
    change();
    this.holding = false;
    if (anchor?.isConnected) this.scroller.scrollTop += anchor.getBoundingClientRect().top - before;
    this.top = this.scroller.scrollTop;
  }
}
