/**
 * Many browsers in one process, without their windows: the page's own modules (socket, store, timeline) follow threads, and tell what a
 * page would show. Commands come as lines of JSON, `{do, id, …}`; each is answered by one line, `{id, …}`; `{seen}` lines come by themselves.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { createInterface } from "node:readline";

const here = new AsyncLocalStorage();
const Native = globalThis.WebSocket;

// What the modules need of a window. Each browser has an address and a cookie of its own.
Object.defineProperty(globalThis, "location", { get: () => ({ href: here.getStore().site }) });
Object.defineProperty(globalThis, "navigator", { value: { onLine: true } });
globalThis.addEventListener = () => {};
globalThis.document = { hidden: false, addEventListener: () => {}, getElementById: () => null, documentElement: { lang: "en", dataset: {} } };
globalThis.WebSocket = class extends Native {
  constructor(url) {
    super(url, { headers: here.getStore().headers });
    here.getStore().connections += 1;
    here.getStore().socket = this;
  }
};

// A page that is closed has no timers any more; here they would keep it, and all that it holds.
const { setInterval } = globalThis;
globalThis.setInterval = (...what) => {
  const timer = setInterval(...what);
  here.getStore()?.timers.push(timer);
  return timer;
};

const { ThreadSocket } = await import("#thread_socket");
const { ThreadStore, isActive } = await import("#thread_store");
const { answerBlocks, timeline } = await import("#timeline");

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

class Browser {
  constructor({ id, site, thread, headers }) {
    Object.assign(this, { id, site, headers, state: "", gone: null, connections: 0, timers: [], ended: new Set(), longest: new Map() });
    this.store = new ThreadStore();
    this.store.subscribe(() => this.look());
    here.run(this, () => {
      this.page = new ThreadSocket(this.store, thread, { onState: (state) => (this.state = state), onGone: (code) => (this.gone = code) });
    });
  }

  /** Notes the longest text that was ever shown of each running answer, and says when one has ended. */
  look() {
    for (const run of this.store.runs.values()) {
      if (this.ended.has(run.id)) continue;
      if (isActive(run)) this.longest.set(run.id, this.live(run));
      else {
        this.ended.add(run.id);
        say({ seen: this.id, run: run.id, status: run.status, at: Date.now(), shown: this.longest.get(run.id) ?? "" });
      }
    }
  }

  live(run) {
    const parts = this.store.live.get(run.id)?.parts ?? [];
    return parts.filter((part) => part.kind === "text").map((part) => part.pieces.join("")).join("");
  }

  /** What the page shows. `from`: only turns from there on, for a page that was opened later holds the newest ones only. */
  view({ from = 0 }) {
    const items = timeline(this.store).filter((item) => item.order === undefined || item.order >= from);
    const shown = items.map((item) => {
      if (item.kind !== "answer") return [item.key, item.message];
      const run = this.store.runs.get(item.run);
      return [item.key, answerBlocks(this.store, item), run?.status, run?.error, item.rows.map((row) => [row.id, row.status])];
    });
    const { before, version, thread } = this.store;
    return { shown, version, before, thread, live: this.store.live.size, behind: this.store.behind, state: this.state, gone: this.gone, connections: this.connections };
  }

  close() {
    this.gone = 0;
    this.page.socket.gone = true;
    this.page.socket.socket = null;
    this.timers.forEach(clearInterval);
    clearTimeout(this.page.timer);
    clearTimeout(this.page.socket.timer);
    this.socket.close();
  }
}

const browsers = new Map();
const commands = {
  open: (command) => void browsers.set(command.id, new Browser(command)),
  view: (command) => browsers.get(command.id).view(command),
  close: ({ id }) => {
    browsers.get(id).close();
    browsers.delete(id);
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    say({ asked: command.asked, answer: commands[command.do](command) ?? null });
  })
  .on("close", () => process.exit(0));
