/** The operators' list: who waits for a person, why, how long, and who has it. */
import { request } from "#api";
import { arrange, element, keepingFocus, setText } from "#element";
import { said } from "#server_words";
import { ago } from "#times";
import { fill, gettext } from "#words";

const EVERY = 30_000;

export class InboxList {
  /** `threads` as the API gives them; `currentId` is the one that is open. */
  constructor(node, threads, { me, currentId }) {
    Object.assign(this, { node, threads, me, currentId });
    this.entries = new Map();
    this.list = element("ul", {});
    this.empty = element("p", { class: "muted" }, gettext("Nobody waits for a person."));
    setInterval(() => this.draw(), EVERY);
    this.draw();
  }

  /** Takes one frame of the feed: it says only that there is something new. */
  async apply(frame) {
    if (frame.type !== "inbox") return;
    try {
      ({ threads: this.threads } = await request("GET", "/api/inbox"));
      this.draw();
    } catch {
      // The next frame tries again; what is shown is what was.
    }
  }

  draw() {
    const nodes = this.threads.map((thread) => this.entry(thread));
    keepingFocus(this.node, () => {
      arrange(this.list, nodes);
      arrange(this.node, [nodes.length ? this.list : this.empty]);
    });
  }

  entry(thread) {
    if (!this.entries.has(thread.id)) this.entries.set(thread.id, new Case(thread.id === this.currentId));
    const entry = this.entries.get(thread.id);
    entry.update(thread, this.me);
    return entry.node;
  }
}

class Case {
  constructor(isCurrent) {
    this.title = element("span", { class: "entry-title" });
    this.since = element("time", {});
    this.reasons = element("span", { class: "snippet" });
    this.link = element("a", { class: "found", "aria-current": isCurrent ? "page" : null },
      element("span", { class: "case-head" }, this.title, this.since), this.reasons);
    this.node = element("li", {}, this.link);
  }

  update(thread, me) {
    this.link.href = `/inbox/${thread.id}/`;
    setText(this.title, thread.title || gettext("New thread"));
    setText(this.since, ago(thread.waits[0].since));
    this.since.dateTime = thread.waits[0].since;
    const said = thread.waits.map((wait) => inWords(wait, thread.assigned_to, me));
    setText(this.reasons, [thread.owner?.name, ...new Set(said)].filter(Boolean).join(" · "));
    this.node.classList.toggle("is-mine", thread.assigned_to?.id === me.id);
  }
}

function inWords({ reason, detail }, person, me) {
  if (reason === "assigned") return person?.id === me.id ? gettext("you have it") : fill(gettext("%(name)s has it"), { name: person?.name });
  return {
    wanted: gettext("wants a person"),
    question: gettext("a question to a person"),
    approval: fill(gettext("%(tool)s waits for approval"), { tool: detail }),
    unknown: fill(gettext("nobody knows whether %(tool)s took effect"), { tool: detail }),
    failed: said(detail) ?? gettext("the answer failed"),
  }[reason];
}
