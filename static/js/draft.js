/** What somebody has begun to write, kept in this browser: each thread has its own, and all tabs have the same. */

const PREFIX = "draft:";
const NOTHING = { text: "", files: [] };

export class Draft {
  /** `changed({text, files})` is called when another tab has written it. */
  constructor(name, changed) {
    this.key = PREFIX + name;
    addEventListener("storage", ({ key }) => key === this.key && changed(this.read()));
  }

  read() {
    this.known = localStorage.getItem(this.key);
    try {
      return { ...NOTHING, ...JSON.parse(this.known) };
    } catch {
      return NOTHING; // of another version of this page
    }
  }

  /** Keeps it, if it is something new: what another tab wrote, or took away, is not written back. */
  write({ text, files }) {
    const draft = text || files.length ? JSON.stringify({ text, files }) : null;
    if (draft === this.known) return;
    this.known = draft;
    if (draft) localStorage.setItem(this.key, draft);
    else localStorage.removeItem(this.key);
  }
}

/** Whoever signs out leaves nothing of theirs behind. */
export function forgetDrafts() {
  for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
}
