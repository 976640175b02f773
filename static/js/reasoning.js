/** What a model thought before it answered: folded, and filled only while it is open. */
import { element, setText } from "#element";
import { MarkdownStream } from "#markdown_stream";
import { gettext } from "#words";

export class Reasoning {
  constructor() {
    this.title = element("summary", {});
    this.text = new MarkdownStream();
    this.node = element("details", { class: "reasoning", ontoggle: () => this.fill() }, this.title, this.text.node);
  }

  update(block) {
    this.block = block;
    setText(this.title, block.open ? gettext("Thinking…") : gettext("Reasoning"));
    this.fill();
  }

  fill() {
    if (this.node.open) this.text.update(this.block.pieces, this.block.open);
  }
}
