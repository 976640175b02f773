/** Feeds one thread's store from its socket, and asks for what was lost. */
import { LiveSocket } from "#socket";

const PATIENCE = 150; // what is late by less than this needs no question
const MAX_PATIENCE = 5000;
const REPLY_TIMEOUT = 5000;

export class ThreadSocket {
  /** `onFrame` takes what is not for the store, too. */
  constructor(store, threadId, { onState, onGone, onFrame = null }) {
    Object.assign(this, { store, onFrame });
    this.patience = PATIENCE;
    this.timer = null;
    this.socket = new LiveSocket({
      address: () => `/ws/threads/${threadId}/${query(store.position)}`,
      onFrame: (frame) => this.receive(frame),
      onState,
      onGone,
    });
  }

  /** Nobody looks any more. */
  close() {
    clearTimeout(this.timer);
    this.socket.close();
  }

  /** Tells the others that something is being written here. */
  typing() {
    this.socket.send({ type: "typing" });
  }

  receive(frame) {
    this.store.apply(frame);
    this.onFrame?.(frame);
    if (frame.type === "sync") this.answered();
    else this.check();
  }

  answered() {
    clearTimeout(this.timer);
    this.timer = null;
    // Still behind after an answer: the server has no more to give yet, so asking faster would not help.
    this.patience = this.store.behind ? Math.min(MAX_PATIENCE, this.patience * 2) : PATIENCE;
    this.check();
  }

  check() {
    if (!this.store.behind) {
      this.patience = PATIENCE;
      return;
    }
    if (this.timer === null) this.timer = setTimeout(() => this.ask(), this.store.stale ? 0 : this.patience);
  }

  ask() {
    this.timer = null;
    if (!this.store.behind) return;
    if (this.socket.send({ type: "sync", ...this.store.position })) {
      this.timer = setTimeout(() => this.ask(), REPLY_TIMEOUT);
    }
  }
}

function query({ version, cursors }) {
  if (version === null) return "";
  const known = Object.entries(cursors).map(([run, cursor]) => `${run}:${cursor}`);
  return `?${new URLSearchParams({ version, cursors: known.join(",") })}`;
}
