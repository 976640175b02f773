import { settledCount } from "#markdown_blocks";

/** Feeds the text in chunks and gives the blocks that a stream would settle on; `read` gives those of a text. */
export function streamed(read, text, size) {
  const settled = [];
  let tail = "";
  for (let at = 0; at < text.length; at += size) {
    tail += text.slice(at, at + size);
    const blocks = read(tail);
    settled.push(...blocks.splice(0, settledCount(blocks)));
    tail = blocks.map((block) => block.raw).join("");
  }
  return [...settled, ...read(tail)];
}
