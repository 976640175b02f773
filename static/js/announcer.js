/** Tells screen readers when an answer starts, waits for a person, ends or fails; never its tokens, and no start twice. */
import { isActive } from "#thread_store";

const ENDINGS = { succeeded: "has answered.", stopped: "was stopped.", failed: "could not answer." };

export class Announcer {
  constructor(store, node, agentTitle) {
    Object.assign(this, { store, node, agentTitle });
    this.known = new Map([...store.runs.values()].map((run) => [run.id, run.status]));
    this.begun = new Set([...this.known].filter(([, status]) => status !== "queued").map(([id]) => id));
    store.subscribe(({ run }) => run === null && this.compare());
  }

  compare() {
    for (const run of this.store.runs.values()) {
      const before = this.known.get(run.id);
      if (before === run.status) continue;
      this.known.set(run.id, run.status);
      const wasActive = before && isActive({ status: before });
      if (run.status === "running" && !this.begun.has(run.id)) this.begin(run);
      else if (run.status === "waiting") this.say(`${this.agentTitle(run.agent)} waits for a person.`);
      else if (wasActive && ENDINGS[run.status]) this.say(`${this.agentTitle(run.agent)} ${ENDINGS[run.status]} ${run.error?.message ?? ""}`);
    }
  }

  begin(run) {
    this.begun.add(run.id);
    this.say(`${this.agentTitle(run.agent)} is answering.`);
  }

  say(text) {
    this.node.textContent = text;
  }
}
