/** What a model thought before it answered: open while it thinks, then folded, unless the reader chose otherwise. Filled only while open. */
import { element, setText } from "#element";
import { MarkdownStream } from "#markdown_stream";
import { gettext } from "#words";

export class Reasoning {
  constructor() {
    this.title = element("summary", { onclick: () => { this.isChosen = true; } });
    this.text = new MarkdownStream();
    this.node = element("details", { class: "reasoning", ontoggle: () => this.fill() }, this.title, this.text.node);
  }

  update(block) {
    this.block = block;
    if (!this.isChosen && this.node.open !== block.open) this.node.open = block.open;
    setText(this.title, block.open ? gettext("Thinking…") : gettext("Reasoning"));
    this.fill();
  }

  fill() {
    if (this.node.open) this.text.update(this.block.pieces, this.block.open);
  }
}
