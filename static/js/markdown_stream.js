/**
 * Shows a growing Markdown text. Blocks that can no longer change are left alone; only the last one is parsed again,
 * and a long last block only after it has grown by a tenth: the cost stays linear in the text.
 */
import { colour } from "#code_block";
import { element } from "#element";
import { blocksOf, nodesOf } from "#markdown";
import { differs, settledCount } from "#markdown_blocks";
import { setMaths } from "#maths";

const SHORT = 4096;
const GROWTH = 1.1;
const CONTAINERS = "ul,ol,li,blockquote,.code,pre,pre > code,.table-box,table,tbody,tr,td";

export class MarkdownStream {
  constructor() {
    this.node = element("div", { class: "prose" });
    this.pieces = null;
    this.reset();
  }

  reset() {
    this.node.replaceChildren();
    this.settled = []; // blocks that will not change: {type, raw}
    this.last = []; // blocks that still may: {type, raw, lang, nodes}
    this.tail = ""; // the text of `last`
    this.parsed = 0; // how much of it has been parsed
    this.open = true;
  }

  /** Shows the joined `pieces`. The same array as last time is read from where it was left. `open`: more is coming. */
  update(pieces, open) {
    const added = pieces === this.pieces ? joined(pieces.slice(this.taken)) : this.difference(pieces);
    this.pieces = pieces;
    this.taken = pieces.length;
    this.tail += added;
    if (!added && open === this.open) return;
    this.open = open;
    if (open && this.tail.length > SHORT && this.tail.length < this.parsed * GROWTH) this.appendPlain(added);
    else this.parse();
    if (!open) this.close();
  }

  /** What another array of pieces has more than what is shown; starts again when it says something else. */
  difference(pieces) {
    const text = joined(pieces);
    const shown = this.text;
    if (text.startsWith(shown)) return text.slice(shown.length);
    this.reset();
    return text;
  }

  get text() {
    return this.settled.map((block) => block.raw).join("") + this.tail;
  }

  parse() {
    const blocks = blocksOf(this.tail);
    const before = this.last;
    this.last = blocks.map((block, i) => draw(block, before[i]));
    const kept = new Set(this.last.flatMap((block) => block.nodes));
    for (const node of before.flatMap((block) => block.nodes)) if (!kept.has(node)) node.remove();
    this.node.append(...[...kept].filter((node) => node.parentNode !== this.node));
    this.parsed = this.tail.length;
    if (this.open) this.settle(settledCount(blocks));
  }

  settle(count) {
    const done = this.last.splice(0, count);
    for (const { type, raw } of done) this.settled.push({ type, raw });
    this.tail = this.last.map((block) => block.raw).join("");
    this.parsed = this.tail.length;
    finish(done);
  }

  /** Unparsed text at the end of the last block, until it is worth parsing again. */
  appendPlain(text) {
    let at = this.node;
    while (at.lastChild?.matches?.(at === this.node ? "*" : CONTAINERS)) at = at.lastChild;
    at.append(text);
  }

  /** No more is coming: what was cut into blocks on the way must be what one reading of the whole gives. */
  close() {
    const whole = this.settled.length ? blocksOf(this.text) : this.last;
    if (whole !== this.last && differs(whole, [...this.settled, ...this.last])) {
      this.reset();
      this.last = whole.map((block) => draw(block));
      this.node.append(...this.last.flatMap((block) => block.nodes));
    }
    finish(this.last);
    this.settled.push(...this.last.map(({ type, raw }) => ({ type, raw })));
    Object.assign(this, { last: [], tail: "", parsed: 0, open: false });
  }
}

/** Colours and formulas, of blocks that are complete. */
function finish(blocks) {
  const nodes = blocks.flatMap((block) => block.nodes);
  colour(nodes);
  setMaths(nodes);
}

// Without carriage returns, as marked reads it: positions must agree.
const joined = (pieces) => pieces.join("").replaceAll("\r", "");

/** A block with its nodes; those of the block that stood here before are kept when they fit. */
function draw({ type, raw, lang, text, ...rest }, before) {
  if (before?.raw === raw && before.type === type) return before;
  if (type === "code" && before?.type === "code" && before.lang === lang && before.nodes.length === 1) {
    before.nodes[0].getElementsByTagName("code")[0].textContent = text;
    return { type, raw, lang, nodes: before.nodes };
  }
  return { type, raw, lang, nodes: nodesOf({ type, raw, lang, text, ...rest }) };
}
