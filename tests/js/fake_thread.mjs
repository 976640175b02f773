/** A small model of the server's side of one thread: it acts at random and answers syncs from its rows. */

export function random(seed) {
  let state = seed * 2654435761;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

export class FakeThread {
  constructor(dice) {
    Object.assign(this, { dice, version: 0, order: 0, ids: 0, messages: new Map(), runs: new Map(), calls: new Map(), deltas: [], deleted: [] });
  }

  id(kind) {
    this.ids += 1;
    return `${kind}${this.ids}`;
  }

  get active() {
    return [...this.runs.values()].find((run) => run.status === "running");
  }

  /** Does one thing that the thread's state allows; the frames it would push. */
  act() {
    const run = this.active;
    const chance = this.dice();
    if (!run) return chance < 0.2 ? this.remove() : this.send();
    if (chance < 0.65) return this.speak(run);
    if (chance < 0.75) return this.step(run);
    if (chance < 0.82) return this.change(() => this.restart(run));
    if (chance < 0.9) return this.progress();
    return this.change(() => this.end(run));
  }

  change(act) {
    this.version += 1;
    const rows = { messages: [], runs: [], tool_calls: [], deleted: [], thread: null };
    const touch = (kind, map, row) => {
      const next = { ...row, version: this.version };
      map.set(next.id, next);
      rows[kind].push(next);
      return next;
    };
    this.put = {
      message: (row) => touch("messages", this.messages, row),
      run: (row) => touch("runs", this.runs, row),
      call: (row) => touch("tool_calls", this.calls, row),
      deleted: (id) => rows.deleted.push({ kind: "message", id }),
    };
    act();
    if (this.dice() < 0.05) return [{ type: "changed", version: this.version, ids_only: true }];
    return [{ type: "changed", version: this.version, ...rows }];
  }

  row(order, step, extra) {
    return { id: this.id("m"), order, step_order: step, role: "user", content: [], run: null, error: null, ...extra };
  }

  send() {
    return this.change(() => {
      this.order += 1;
      const prompt = this.put.message(this.row(this.order, 0, { content: [{ type: "text", text: `q${this.order}` }] }));
      const run = { id: this.id("r"), status: "running", attempt: 1, base: 0, end: 0, prompt: prompt.id };
      this.put.run({ ...run, pending_message: this.pending(run.id, 1).id });
    });
  }

  pending(run, step) {
    return this.put.message(this.row(this.order, step, { role: "assistant", status: "pending", run }));
  }

  speak(run) {
    const kind = this.dice() < 0.7 ? "text" : "reasoning";
    const parts = [{ type: `${kind}-delta`, id: kind, delta: `${kind[0]}${run.end} ` }];
    const end = run.end + 1 + Math.floor(this.dice() * 3);
    const delta = { type: "delta", run: run.id, attempt: run.attempt, start: run.end, end, parts };
    this.deltas.push(delta);
    run.end = end;
    return [delta];
  }

  /** Folds the live parts into the pending row and opens the next one. */
  step(run) {
    return this.change(() => {
      const content = this.fold(run);
      const call = this.put.call({ id: this.id("c"), run: run.id, tool: "look", status: "running", progress: null });
      const held = this.messages.get(run.pending_message);
      this.put.message({ ...held, status: "success", content: [...content, { type: "tool-call", tool_call: call.id, tool: "look" }] });
      this.put.run({ ...run, base: run.end, pending_message: this.pending(run.id, held.step_order + 1).id });
    });
  }

  fold(run) {
    const parts = this.deltas.filter((delta) => delta.run === run.id && delta.attempt === run.attempt && delta.start >= run.base);
    const texts = new Map();
    for (const { type, delta } of parts.flatMap((delta) => delta.parts)) {
      const kind = type.split("-")[0];
      texts.set(kind, (texts.get(kind) ?? "") + delta);
    }
    return [...texts].map(([type, text]) => ({ type, text }));
  }

  restart(run) {
    this.put.run({ ...run, attempt: run.attempt + 1, end: run.base });
  }

  end(run) {
    const held = this.messages.get(run.pending_message);
    this.put.message({ ...held, status: "success", content: this.fold(run) });
    this.put.run({ ...run, base: run.end, status: "succeeded", pending_message: null });
  }

  progress() {
    const calls = [...this.calls.values()];
    const call = calls.at(-1);
    return call ? this.change(() => this.put.call({ ...call, progress: { text: `${this.version}`, fraction: null } })) : [];
  }

  remove() {
    const prompts = [...this.messages.values()].filter((row) => row.role === "user");
    const victim = prompts[Math.floor(this.dice() * prompts.length)];
    if (!victim) return this.send();
    return this.change(() => {
      this.messages.delete(victim.id);
      this.deleted.push({ version: this.version, id: victim.id });
      this.put.deleted(victim.id);
    });
  }

  ping() {
    const run = this.active;
    return { type: "ping", version: this.version, cursors: run ? { [run.id]: run.end } : {} };
  }

  sync({ version, cursors }) {
    const newer = (map) => [...map.values()].filter((row) => version === null || row.version > version);
    const run = this.active;
    const live = run ? this.deltas.filter((delta) => delta.run === run.id && delta.attempt === run.attempt && delta.start >= run.base) : [];
    const since = run ? Math.max(run.base, cursors[run.id] ?? 0) : 0;
    return {
      type: "sync", version: this.version, reset: version === null, thread: null, before: null,
      messages: newer(this.messages), runs: newer(this.runs), tool_calls: newer(this.calls),
      deleted: version === null ? [] : this.deleted.filter((gone) => gone.version > version).map(({ id }) => ({ kind: "message", id })),
      deltas: live.filter((delta) => delta.start >= since),
    };
  }
}
