/** Says that a person answers here, or is waited for, and lets operators take the conversation over and hand it back. */
import { request } from "#api";
import { setText } from "#element";
import { fill, gettext } from "#words";

export class PersonBar {
  constructor(store, { node, path, me, operates }) {
    Object.assign(this, { store, node, path, me, operates });
    this.words = node.querySelector("p");
    this.take = node.querySelector("#take-over");
    this.back = node.querySelector("#hand-back");
    this.take?.addEventListener("click", () => this.tell("take-over"));
    this.resolve = node.querySelector("#resolve");
    this.resolve?.addEventListener("click", () => this.tell("resolve"));
    this.back?.addEventListener("click", () => this.tell("hand-back", { answer: true }));
    store.subscribe(({ run }) => run === null && this.draw());
    this.draw();
  }

  /** Whether what I write is an answer under my own name. */
  get isMine() {
    return this.operates && this.store.thread.assigned_to?.id === this.me.id;
  }

  draw() {
    const { assigned_to: person, human_wanted_at: wanted } = this.store.thread;
    setText(this.words, this.isMine ? gettext("You answer here. The agents are silent.") : said(person, wanted));
    this.node.hidden = !person && !wanted && !this.operates;
    if (!this.operates) return;
    this.take.hidden = Boolean(person);
    this.resolve.hidden = Boolean(person) && !this.isMine;
    this.back.hidden = !this.isMine && !(wanted && !person);
  }

  async tell(verb, body = {}) {
    const buttons = [this.take, this.back, this.resolve];
    for (const button of buttons) button.disabled = true;
    try {
      await request("POST", `${this.path}/${verb}`, body);
    } catch (error) {
      setText(this.words, error.message);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }
}

function said(person, wanted) {
  if (person) return fill(gettext("%(name)s answers here."), person);
  return wanted ? gettext("A colleague will answer here. Until then no agent does.") : "";
}
