/** Loads what comes before and after when the reader comes near, without moving what they see; and leads to other places of the thread. */
import { request } from "#api";

const PAGE = 50;
const PIECE = 6; // rows: what is drawn within a frame
const NEAR = 1.5; // heights of the window
const PAUSE = 3000; // after a failure

export class Pages {
  constructor({ store, list, scroll, scroller, note, path }) {
    Object.assign(this, { store, list, scroll, scroller, note, path });
    this.coming = null;
    scroll.leadsOn = () => store.after !== null;
    scroll.back = () => this.latest();
    scroller.addEventListener("scroll", () => this.check(), { passive: true });
    store.subscribe(({ run }) => run === null && this.check());
    this.check();
  }

  check() {
    const { before, after } = this.store;
    const near = this.scroller.clientHeight * NEAR;
    this.note.hidden = before === null;
    if (this.coming) return;
    if (before !== null && this.scroller.scrollTop < near) this.load({ before }, (page) => this.put(older(page), "adoptOlder", "before"));
    else if (after !== null && this.scroll.distance < near) this.load({ after }, (page) => this.put(newer(page), "adoptNewer", "after"));
  }

  /** Shows what is around a message, or the turns below an order. Says whether there is such a place. */
  async lead(where) {
    await this.coming;
    return this.load(where, (page) => this.draw(() => this.store.move(page)));
  }

  /** Back to the end. */
  async latest() {
    if (this.returning) return;
    this.returning = true;
    if (await this.lead({})) this.scroll.toEnd();
    this.returning = false;
  }

  /** One page at a time; `take` puts it into the store. Says whether it came. */
  load(where, take) {
    this.coming = this.fetch(where, take).finally(() => {
      this.coming = null;
      requestAnimationFrame(() => this.check());
    });
    return this.coming;
  }

  async fetch(where, take) {
    try {
      await take(await request("GET", `${this.path}/messages?${new URLSearchParams({ ...where, limit: PAGE, view: "rows" })}`));
      return true;
    } catch (error) {
      if (error.kind !== "not_found") await new Promise((resolve) => setTimeout(resolve, PAUSE));
      return false;
    }
  }

  /** Piece after piece, a frame each. When the store was begun anew meanwhile, it takes none of the rest. */
  async put(pieces, adopt, end) {
    let at = this.store[end];
    for (const piece of pieces) {
      this.draw(() => this.store[adopt](at, piece));
      at = piece[end];
      await new Promise(requestAnimationFrame);
    }
  }

  draw(change) {
    this.scroll.hold(() => {
      change();
      this.list.draw();
    });
  }
}

/** An older page in pieces, the newest one first. */
export const older = (page) => cut(page, turnsOf(page).reverse(), (orders, last) => ({ before: last ? page.before : Math.min(...orders) }));

/** A newer page in pieces, the oldest one first. */
export const newer = (page) => cut(page, turnsOf(page), (orders, last) => ({ after: last ? page.after : Math.max(...orders) + 1 }));

function turnsOf({ messages }) {
  const turns = new Map();
  for (const row of messages) turns.set(row.order, [...(turns.get(row.order) ?? []), row]);
  return [...turns.values()];
}

function cut(page, turns, endsAt) {
  const pieces = [[]];
  for (const turn of turns) {
    if (pieces.at(-1).length >= PIECE) pieces.push([]);
    pieces.at(-1).push(...turn);
  }
  return pieces.map((messages, n) => ({ ...page, messages, ...endsAt(messages.map(({ order }) => order), n === pieces.length - 1) }));
}
