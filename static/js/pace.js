/**
 * How much of a growing text is to be seen, so that it flows although it arrives in bursts. The speed follows the stream's: it at most
 * doubles with each piece, and what is behind is caught up with. Times are in milliseconds. Pure.
 */

const FRAME = 50;

export class Pace {
  /** All `length` characters that are there at first are seen; `rate` is the speed to begin with, in characters a second. */
  constructor(length, rate, now) {
    Object.assign(this, { length, shown: length, speed: rate / 1000, ticked: now, grown: now, isFirst: true });
  }

  /** So long is the text now. */
  grow(length, now) {
    const passed = Math.max(1, now - this.grown);
    const coming = (length - this.length) / passed;
    const behind = (this.length - this.shown) / passed;
    const wanted = this.isFirst ? coming : coming + Math.max(0, (coming - this.speed + behind) / 2);
    this.speed = Math.min((2 * wanted + this.speed) / 3, 2 * this.speed);
    // Time in which there was nothing to show is not made up for.
    this.ticked = Math.max(this.ticked, now - FRAME);
    Object.assign(this, { length, grown: now, isFirst: false });
  }

  /** So many characters are to be seen now. */
  at(now) {
    const more = Math.min(Math.floor((now - this.ticked) * this.speed), this.length - this.shown);
    if (more > 0) {
      this.shown += more;
      this.ticked += more / this.speed;
    }
    return this.shown;
  }
}
