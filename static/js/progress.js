/** A line of progress: a bar when the share is known, and words. */
import { element, setText } from "#element";
import { gettext } from "#words";

export class ProgressLine {
  constructor() {
    this.bar = element("progress", { max: "1", "aria-label": gettext("Progress") });
    this.words = element("span", { class: "progress-words" });
    this.node = element("div", { class: "progress" }, this.bar, this.words);
    this.update(null);
  }

  /** Takes `{text, fraction}`, or null to hide. */
  update(progress) {
    this.node.hidden = progress === null;
    if (progress === null) return;
    const known = typeof progress.fraction === "number";
    if (known) this.bar.value = progress.fraction;
    else this.bar.removeAttribute("value");
    setText(this.words, [known && `${Math.round(progress.fraction * 100)} %`, progress.text].filter(Boolean).join(" · "));
  }
}
