/** The part of a run's answer that is not in rows yet, reduced from its deltas. */

const OPENERS = { "text-start": "text", "reasoning-start": "reasoning" };

export class LiveRun {
  constructor() {
    this.attempt = 0;
    this.base = null; // unknown until the run's row arrives; until then deltas are held
    this.held = [];
    this.torn = false;
    this.clear();
  }

  clear() {
    this.cursor = this.base;
    this.parts = [];
    this.sources = [];
    this.step = 0;
    this.open = new Map();
  }

  /** True when something is missing that only a sync can bring. */
  get behind() {
    return this.torn || this.held.length > 0;
  }

  /** Takes the run's row: a moved base or a new attempt ends what was live before. */
  follow({ attempt, base }) {
    if (this.base !== null && attempt <= this.attempt && base <= this.base) return;
    // What was known past the new base is thrown away with the rest: ask for it again.
    this.torn = this.cursor !== null && attempt === this.attempt && this.cursor > base;
    this.restart(Math.max(attempt, this.attempt), base);
  }

  restart(attempt, base) {
    this.attempt = attempt;
    this.base = base;
    this.clear();
    this.drain();
  }

  /** Takes one delta in any order; returns nothing, see `behind`. */
  offer(delta) {
    if (delta.attempt < this.attempt) return;
    if (delta.attempt > this.attempt) this.restart(delta.attempt, this.base);
    if (this.cursor !== null && delta.start === this.cursor && delta.end > this.cursor) {
      this.take(delta);
      if (this.held.length) this.drain();
    } else if (this.cursor === null || delta.end > this.cursor) {
      this.hold(delta);
    }
  }

  hold(delta) {
    this.held.push(delta);
    if (this.cursor !== null && delta.start < this.cursor) {
      this.torn = true;
      this.clear();
    }
  }

  drain() {
    const held = this.held.sort((a, b) => a.start - b.start);
    this.held = [];
    for (const delta of held) this.offer(delta);
  }

  take(delta) {
    for (const part of delta.parts) this.reduce(part);
    this.cursor = delta.end;
    this.torn = false;
  }

  reduce(part) {
    const kind = OPENERS[part.type];
    if (kind) return this.begin(part.id, { kind, pieces: [] });
    switch (part.type) {
      case "start-step":
        if (this.parts.length) this.step += 1;
        break;
      case "text-delta":
      case "reasoning-delta":
        this.piece(part);
        break;
      case "text-end":
      case "reasoning-end":
        this.finish(part.id);
        break;
      case "finish-step":
        for (const id of [...this.open.keys()]) this.finish(id);
        break;
      case "source-url":
        this.sources.push(part);
        break;
      default:
        if (part.toolCallId) this.reduceTool(part);
        else if (part.type.startsWith("data-") && !part.transient) this.reduceData(part);
    }
  }

  /** A piece of data takes the place of an earlier one of its kind and id. */
  reduceData({ type, id = "", data }) {
    const name = type.slice("data-".length);
    const at = this.parts.findIndex((part) => part.kind === "data" && part.name === name && part.id === id && part.step === this.step);
    const part = { kind: "data", name, id, data, step: this.step, open: false };
    if (at < 0) this.parts.push(part);
    else this.parts[at] = part;
  }

  begin(id, part) {
    this.finish(id);
    const opened = { ...part, step: this.step, open: true };
    this.open.set(id, opened);
    this.parts.push(opened);
    return opened;
  }

  piece({ type, id, delta }) {
    const part = this.open.get(id) ?? this.begin(id, { kind: type.split("-")[0], pieces: [] });
    if (delta) part.pieces.push(delta);
  }

  finish(id) {
    const part = this.open.get(id);
    if (part) part.open = false;
    this.open.delete(id);
  }

  reduceTool({ type, toolCallId, toolName, inputTextDelta, input }) {
    const known = this.parts.find((part) => part.kind === "tool" && part.id === toolCallId);
    const tool = known ?? { kind: "tool", id: toolCallId, tool: toolName ?? "", pieces: [], step: this.step, open: true };
    if (!known) this.parts.push(tool);
    if (toolName) tool.tool = toolName;
    if (inputTextDelta) tool.pieces.push(inputTextDelta);
    if (type === "tool-input-available") Object.assign(tool, { input, open: false });
  }
}
