/** What the agent would answer, for an operator to use or not: it streams into a hidden copy of the conversation. */
import { attempt, request } from "#api";
import { setText } from "#element";
import { said } from "#server_words";
import { ThreadSocket } from "#thread_socket";
import { isActive, ThreadStore } from "#thread_store";
import { answerBlocks, timeline } from "#timeline";
import { uuid7 } from "#uuid";
import { gettext } from "#words";

const STATES = { queued: gettext("Waiting for its turn…"), running: gettext("Writing…"), waiting: gettext("Waiting for a person"), stopped: gettext("Stopped"), succeeded: "" };

export class Suggestion {
  /** `node` holds a button that asks for one, the text, and a button that hands it to `use(text)`. */
  constructor(node, { path, use }) {
    Object.assign(this, { node, path });
    this.ask = node.querySelector("#suggest");
    this.text = node.querySelector(".suggested");
    this.take = node.querySelector("#use-suggestion");
    this.error = node.querySelector(".form-error");
    this.state = node.querySelector("[role=status]");
    this.ask.addEventListener("click", () => attempt((text) => this.complain(text), () => this.begin()));
    this.take.addEventListener("click", () => use(this.text.textContent));
  }

  complain(text) {
    setText(this.error, text);
    this.error.hidden = !text;
  }

  async begin() {
    this.ask.disabled = true;
    try {
      await this.end();
      const { thread, run } = await request("POST", `${this.path}/draft`, { id: uuid7() });
      this.store = new ThreadStore();
      this.runId = run?.id;
      this.store.subscribe(() => this.draw());
      this.connection = new ThreadSocket(this.store, thread.id, { onState: () => {}, onGone: () => this.complain(gettext("The draft is gone.")) });
    } finally {
      this.ask.disabled = false;
    }
  }

  /** The last one is not wanted any more, and costs no more. */
  async end() {
    this.connection?.close();
    this.take.hidden = true;
    this.text.hidden = true;
    const run = this.store?.runs.get(this.runId);
    if (run && isActive(run)) await request("POST", `/api/runs/${run.id}/stop`);
  }

  draw() {
    const run = this.store.runs.get(this.runId);
    const item = timeline(this.store).find((each) => each.kind === "answer" && each.run === this.runId);
    const blocks = item ? answerBlocks(this.store, item).filter((block) => block.kind === "text") : [];
    setText(this.text, blocks.map((block) => block.pieces.join("")).join("\n\n"));
    this.text.hidden = !this.text.textContent;
    const over = Boolean(run) && !isActive(run);
    setText(this.state, STATES[run?.status] ?? "");
    if (run?.status === "failed") this.complain(said(run.error?.message) ?? gettext("No draft could be written."));
    this.take.hidden = !over || this.text.hidden;
    if (over) this.connection.close();
  }
}
