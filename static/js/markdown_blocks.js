/** Which blocks of a growing Markdown text are final. Pure: works on marked's tokens. */

/** The blocks of a text by the given lexer. Their `raw` is cut from the text itself: marked evens out that of an unfinished list. */
export function readBlocks(lexer, text) {
  let at = 0;
  return lexer(text).map((block, i, all) => {
    const raw = text.slice(at, i === all.length - 1 ? undefined : at + block.raw.length);
    at += raw.length;
    return { ...block, raw };
  });
}

const isSpace = (block) => block.type === "space";

// A list and indented code go on after blank lines.
const mayGoOn = (block) => block.type === "list" || (block.type === "code" && block.codeBlockStyle === "indented");
const isClosed = (block) => block.type === "heading" || (block.type === "code" && !mayGoOn(block));

/** How many blocks from the first on cannot change, whatever text follows. */
export function settledCount(blocks) {
  const last = blocks.findLastIndex((block) => !isSpace(block));
  if (last <= 0) return 0;
  // Once its first line is complete, a block is what it is, and so is all before it.
  if (blocks[last].raw.includes("\n")) return last;
  const previous = blocks.findLastIndex((block, i) => i < last && !isSpace(block));
  if (previous < 0) return 0;
  const apart = previous < last - 1;
  const final = isClosed(blocks[previous]) || (apart && !mayGoOn(blocks[previous]));
  return final ? last : previous;
}

/** Whether two cuts of a text would look different. Link definitions count: they change blocks before them. */
export function differs(whole, cut) {
  if (whole.some((block) => block.type === "def")) return true;
  const outline = (blocks) => blocks.filter((block) => !isSpace(block)).map(({ type, raw }) => `${type} ${raw.trimEnd()}`);
  const [a, b] = [outline(whole), outline(cut)];
  return a.length !== b.length || a.some((block, i) => block !== b[i]);
}
