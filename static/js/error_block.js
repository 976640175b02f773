/** What went wrong, where the answer would have been; whether to try again, and the button for it. */
import { element, setText } from "#element";
import { said } from "#server_words";
import { timeLeft } from "#times";
import { fill, gettext } from "#words";

export class ErrorBlock {
  /** `retry(run)` asks for the same prompt to be answered again; null where nobody may. */
  constructor(retry) {
    this.reason = element("p", { class: "error-reason" });
    this.advice = element("p", { class: "error-advice" });
    this.button = element("button", { type: "button", onclick: () => this.again() }, gettext("Retry"));
    this.retry = retry;
    this.node = element("div", { class: "error-block", hidden: true },
      element("div", {}, this.reason, this.advice), this.button);
  }

  update(error, run, mayRetry) {
    this.run = run;
    this.node.hidden = !error;
    clearTimeout(this.timer);
    if (!error) return;
    setText(this.reason, said(error.message) || gettext("The answer failed."));
    this.button.hidden = this.advice.hidden = !mayRetry || !this.retry;
    if (!this.button.hidden) this.advise({ ...error, until: Date.parse(run?.ended_at) + error.retry_after * 1000 });
  }

  /** What may help, and when: `until` is counted down, in milliseconds of the epoch. */
  advise({ words = "", retryable, until }) {
    const left = (until - Date.now()) / 1000;
    const passes = retryable ? gettext("This may pass: try again.") : gettext("Trying again will help only if something has changed.");
    setText(this.advice, `${words} ${left > 0 ? fill(gettext("Worth trying again in %(time)s."), { time: timeLeft(left) }) : passes}`.trim());
    if (left > 0) this.timer = setTimeout(() => this.advise({ words, retryable, until }), 1000);
  }

  async again() {
    this.button.disabled = true;
    clearTimeout(this.timer);
    try {
      await this.retry(this.run);
    } catch (error) {
      if (error.kind === "limit_exceeded") this.advise({ words: error.message, retryable: true, until: Date.now() + error.retry_after * 1000 });
      else setText(this.advice, error.message);
      this.advice.hidden = false;
    } finally {
      this.button.disabled = false;
    }
  }
}
