/** Brings conversations in from a file: one that was exported here, or those of ChatGPT's export. */
import { requestWith } from "#api";

const PATH = "/api/threads/import";
// Characters. Requests of this size take seconds, and what is done is told in between.
const PIECE = 2_000_000;
const MOST = 500;

/** Returns `{threads, known, failed}` as the server does; `tell(done, all)` is called between pieces. */
export async function bringIn(file, tell) {
  if (/\.zip$/i.test(file.name)) return requestWith("POST", PATH, file, "application/zip");
  const text = await file.text();
  const conversations = listIn(text);
  if (!conversations) return requestWith("POST", PATH, text);
  const result = { threads: [], known: 0, failed: [] };
  let done = 0;
  for (const piece of pieces(conversations)) {
    const { threads, known, failed } = await requestWith("POST", PATH, `[${piece.join()}]`);
    result.threads.push(...threads);
    result.known += known;
    result.failed.push(...failed);
    done += piece.length;
    tell(done, conversations.length);
  }
  return result;
}

/** The list that the text is, or null: the server says what is wrong with other texts. */
function listIn(text) {
  try {
    const data = JSON.parse(text);
    return Array.isArray(data) && data.length ? data : null;
  } catch {
    return null;
  }
}

/** Lists of texts of about the size of a piece, none empty. */
export function pieces(conversations, size = PIECE) {
  const found = [];
  let room = 0;
  for (const text of conversations.map((each) => JSON.stringify(each))) {
    if (!found.length || text.length > room || found.at(-1).length === MOST) {
      found.push([]);
      room = size;
    }
    found.at(-1).push(text);
    room -= text.length;
  }
  return found;
}
