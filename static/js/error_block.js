/** What went wrong, where the answer would have been; whether to try again, and the button for it. */
import { element, setText } from "#element";
import { said } from "#server_words";
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
    if (!error) return;
    setText(this.reason, said(error.message) || gettext("The answer failed."));
    setText(this.advice, mayRetry && this.retry ? advice(error) : "");
    this.advice.hidden = !this.advice.textContent;
    this.button.hidden = !mayRetry || !this.retry;
  }

  async again() {
    this.button.disabled = true;
    try {
      await this.retry(this.run);
    } catch (error) {
      setText(this.advice, error.kind === "limit_exceeded" ? `${error.message} ${advice({ retry_after: error.retry_after })}` : error.message);
      this.advice.hidden = false;
    } finally {
      this.button.disabled = false;
    }
  }
}

function advice({ retryable, retry_after: seconds }) {
  if (seconds) return fill(gettext("Worth trying again in %(seconds)s s."), { seconds: Math.ceil(seconds) });
  return retryable ? gettext("This may pass: try again.") : gettext("Trying again will help only if something has changed.");
}
