/** The connection in a word. A moment's interruption is not told. */
import { element, setText } from "#element";
import { gettext } from "#words";

const WORDS = { live: gettext("Live"), reconnecting: gettext("Reconnecting"), offline: gettext("Offline"), gone: gettext("Not available") };
const GRACE = 700;

export class Badge {
  constructor(node) {
    this.word = element("span", {});
    this.node = node;
    node.append(element("span", { class: "badge-dot", "aria-hidden": "true" }), this.word);
    this.show("reconnecting");
  }

  set(state) {
    if (state === this.wanted) return;
    this.wanted = state;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(state), state === "reconnecting" ? GRACE : 0);
  }

  show(state) {
    this.node.dataset.state = state;
    setText(this.word, WORDS[state]);
  }
}
