/** A WebSocket that keeps coming back: back-off, pings, and a watch for silence. */

const FIRST_DELAY = 250;
const MAX_DELAY = 5000;
const CROWDED_DELAY = 30000;
const PING_EVERY = 8000;
const SILENCE = 12000; // the server pings every 5 s
const MAX_SILENCE = 120000; // a first frame may be megabytes on a slow line
const OFFLINE_SILENCE = 6000;

export class LiveSocket {
  /**
   * `address()` gives the path and query to connect to, `onFrame(frame)` takes frames, `onState(state)` is told
   * "live" | "reconnecting" | "offline" | "gone", `onGone(code)` is called when coming back is pointless.
   */
  constructor({ address, onFrame, onState, onGone }) {
    Object.assign(this, { address, onFrame, onState, onGone });
    this.failures = 0;
    this.silences = 0;
    this.socket = null;
    this.lastHeard = 0;
    this.over = new AbortController();
    const { signal } = this.over;
    addEventListener("online", () => this.reconnect(), { signal });
    addEventListener("offline", () => this.report(), { signal });
    document.addEventListener("visibilitychange", () => this.looked(), { signal });
    this.clock = setInterval(() => this.tick(), PING_EVERY / 4);
    this.connect();
  }

  /** Nobody looks any more. */
  close() {
    this.gone = true;
    this.over.abort();
    clearInterval(this.clock);
    clearTimeout(this.timer);
    const old = this.socket;
    this.socket = null;
    old?.close();
  }

  connect() {
    clearTimeout(this.timer);
    const socket = new WebSocket(new URL(this.address(), location.href.replace(/^http/, "ws")));
    this.socket = socket;
    this.lastHeard = this.lastSent = Date.now();
    socket.onopen = () => document.hidden && socket === this.socket && this.ping();
    socket.onmessage = (event) => socket === this.socket && this.receive(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.closed(event.code);
  }

  receive(frame) {
    this.lastHeard = Date.now();
    this.failures = 0;
    this.silences = 0;
    this.report();
    if (frame.type === "ping") this.ping();
    this.onFrame(frame);
  }

  /** Sends a frame if there is a connection; says whether there was. */
  send(frame) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    this.lastSent = Date.now();
    return true;
  }

  /** Says that the page is there, and whether anybody looks at it. */
  ping() {
    this.send({ type: "ping", away: document.hidden });
  }

  looked() {
    if (!document.hidden) this.wake();
    this.ping();
  }

  closed(code) {
    this.socket = null;
    if ([4401, 4403, 4404].includes(code)) {
      this.gone = true;
      this.onState("gone");
      this.onGone(code);
      return;
    }
    const delay = code === 4429 ? CROWDED_DELAY : Math.min(MAX_DELAY, FIRST_DELAY * 2 ** this.failures);
    this.failures += 1;
    this.report();
    this.timer = setTimeout(() => this.connect(), delay * (0.5 + Math.random() / 2));
  }

  /** Drops the connection, if any, and makes a new one now. */
  reconnect() {
    if (this.gone) return;
    const old = this.socket;
    this.socket = null;
    old?.close();
    this.connect();
    this.report();
  }

  /** The page is looked at again: a sleeping machine may hold a dead connection. */
  wake() {
    if (!this.socket || Date.now() - this.lastHeard > OFFLINE_SILENCE) this.reconnect();
  }

  tick() {
    if (!this.socket) return;
    if (Date.now() - this.lastHeard > this.patience()) {
      this.silences += 1;
      this.reconnect();
    } else if (Date.now() - this.lastSent > PING_EVERY) this.ping();
    this.report();
  }

  patience() {
    if (!navigator.onLine) return OFFLINE_SILENCE;
    return this.socket.readyState === WebSocket.OPEN ? Math.min(MAX_SILENCE, SILENCE * 2 ** this.silences) : SILENCE;
  }

  // A machine without network still reaches a server on itself, so `onLine` names the trouble but never stops a try.
  report() {
    const heard = this.socket?.readyState === WebSocket.OPEN && this.failures === 0;
    const fresh = Date.now() - this.lastHeard < OFFLINE_SILENCE;
    if (heard && (navigator.onLine || fresh)) this.onState("live");
    else this.onState(navigator.onLine ? "reconnecting" : "offline");
  }
}
