/** Tells screen readers when an answer starts, waits for a person, ends or fails; never its tokens, and no start twice. */
import { said } from "#server_words";
import { isActive } from "#thread_store";
import { fill, gettext } from "#words";

const ENDINGS = { succeeded: gettext("%(agent)s has answered."), stopped: gettext("%(agent)s was stopped."), failed: gettext("%(agent)s could not answer.") };

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
      const agent = this.agentTitle(run.agent);
      if (run.status === "running" && !this.begun.has(run.id)) this.begin(run);
      else if (run.status === "waiting") this.say(fill(gettext("%(agent)s waits for a person."), { agent }));
      else if (wasActive && ENDINGS[run.status]) this.say(`${fill(ENDINGS[run.status], { agent })} ${said(run.error?.message ?? "")}`);
    }
  }

  begin(run) {
    this.begun.add(run.id);
    this.say(fill(gettext("%(agent)s is answering."), { agent: this.agentTitle(run.agent) }));
  }

  say(text) {
    this.node.textContent = text;
  }
}
