/** What somebody has begun to write, kept in this browser: each thread has its own, and all tabs have the same. */

const PREFIX = "draft:";

export class Draft {
  /** `changed({text, files})` is called when another tab has written it. */
  constructor(name, changed) {
    this.key = PREFIX + name;
    addEventListener("storage", ({ key }) => key === this.key && changed(this.read()));
  }

  read() {
    try {
      const { text = "", files = [] } = JSON.parse(localStorage.getItem(this.key)) ?? {};
      return { text, files };
    } catch {
      return { text: "", files: [] }; // of another version of this page
    }
  }

  write({ text, files }) {
    if (text || files.length) localStorage.setItem(this.key, JSON.stringify({ text, files }));
    else localStorage.removeItem(this.key);
  }
}

/** Whoever signs out leaves nothing of theirs behind. */
export function forgetDrafts() {
  for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
}
