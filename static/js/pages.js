/** Loads what comes before and after when the reader comes near, without moving what they see; and leads to other places of the thread. */
import { request } from "#api";

const PAGE = 50;
const PIECE = 6; // rows: what is drawn within a frame
// Heights of the window: what is nearer is loaded; what is further away, when there are more rows than KEPT, is dropped.
const NEAR = 1.5;
const FAR = 4;
const KEPT = 160;
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
    if (this.coming || this.over) return;
    if (before !== null && this.scroller.scrollTop < near) this.load({ before }, (page) => this.putOlder(page, before));
    else if (after !== null && this.scroll.distance < near) this.load({ after }, (page) => this.putNewer(page, after));
  }

  /** Shows what is around a message, or from a turn on, or the end. Says whether there is such a place. */
  async lead(where) {
    while (this.coming) await this.coming;
    return this.load(where, (page) => this.draw(() => this.store.move(page)));
  }

  /** Back to the end. */
  async latest() {
    if (this.returning) return;
    this.returning = true;
    try {
      if (await this.lead({})) this.scroll.toEnd();
    } finally {
      this.returning = false;
    }
  }

  /** One page at a time; `take` puts it into the store. Says whether it came. */
  load(where, take) {
    this.coming = this.fetch(where, take).then((came) => {
      requestAnimationFrame(() => this.check());
      return came;
    }).finally(() => {
      this.coming = null;
    });
    return this.coming;
  }

  async fetch(where, take) {
    let page;
    try {
      page = await request("GET", `${this.path}/messages?${new URLSearchParams({ ...where, limit: PAGE, view: "rows" })}`);
    } catch (error) {
      if (!where.around || error.kind !== "not_found") await new Promise((resolve) => setTimeout(resolve, PAUSE));
      return false;
    }
    await take(page);
    return true;
  }

  /** Nothing more is loaded. */
  stop() {
    this.over = true;
  }

  /** Piece after piece, a frame each. When the store was begun anew meanwhile, it takes none of the rest. */
  async putOlder(page, requested) {
    let at = requested;
    for (const piece of older(page)) {
      if (this.store.before !== at) return;
      const end = this.far && this.list.orderBeyond(this.scroller.getBoundingClientRect().bottom + this.far);
      this.draw(() => {
        this.store.adoptOlder(at, piece);
        if (end) this.store.dropNewer(end);
      });
      at = piece.before;
      await nextFrame();
    }
  }

  async putNewer(page, requested) {
    let at = requested;
    for (const piece of newer(page)) {
      if (this.store.after !== at) return;
      const begin = this.far && this.list.orderWithin(this.scroller.getBoundingClientRect().top - this.far);
      this.draw(() => {
        this.store.adoptNewer(at, piece);
        if (begin) this.store.dropOlder(begin);
      });
      at = piece.after;
      await nextFrame();
    }
  }

  /** How far away something has to be to be dropped, in pixels; 0 while there is room. */
  get far() {
    return this.store.messages.size > KEPT ? this.scroller.clientHeight * FAR : 0;
  }

  draw(change) {
    this.scroll.hold(() => {
      change();
      this.list.draw();
    });
  }
}

/** In a tab that nobody looks at there are none. */
const nextFrame = () => new Promise((resolve) => {
  requestAnimationFrame(resolve);
  setTimeout(resolve, 100);
});

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
