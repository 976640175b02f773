/** Who else looks at the thread, and who is writing: hints for the eye, kept nowhere. */
import { avatar } from "#avatar";
import { element, setText } from "#element";
import { fill, gettext, language, ngettext } from "#words";

const SHOWN = 3;
const SHOWN_ON_A_PHONE = 1;
const STILL_WRITING = 6000; // pages tell every 3 s
const TELL_EVERY = 3000;

export class Company {
  /** `here` is a list of faces, `words` says the same in the panel, `writing` is a line above the message field. */
  constructor({ here, words, writing }) {
    Object.assign(this, { here, words, writing });
    this.shown = matchMedia("(max-width: 699.98px)").matches ? SHOWN_ON_A_PHONE : SHOWN;
    this.writers = new Map(); // by id: {name, timer}
  }

  /** Takes frames of the thread's socket; other types than its own are not for it. */
  apply(frame) {
    if (frame.type === "here") this.draw(frame);
    if (frame.type === "typing") this.hear(frame.person);
    // Whoever has sent it writes no more.
    for (const { author } of frame.messages ?? []) if (author) this.forget(author.id);
  }

  /** Nobody is known to be here. */
  clear() {
    this.draw({ people: [], more: 0 });
  }

  draw({ people, more }) {
    const rest = Math.max(0, people.length - this.shown) + more;
    const faces = people.slice(0, this.shown).map(({ id, name }) =>
      element("li", { title: name }, avatar(name, id), element("span", { class: "unseen" }, name)));
    if (rest > 0) faces.push(element("li", { class: "here-more" }, `+${rest}`, element("span", { class: "unseen" }, ` ${gettext("more")}`)));
    this.here.replaceChildren(...faces);
    this.here.hidden = people.length === 0;
    const named = people.map(({ name }) => name);
    const sentence = ngettext("%(names)s is here", "%(names)s are here", people.length + more);
    setText(this.words, people.length ? fill(sentence, { names: listed(named, more) }) : "");
  }

  hear({ id, name }) {
    clearTimeout(this.writers.get(id)?.timer);
    this.writers.set(id, { name, timer: setTimeout(() => this.forget(id), STILL_WRITING) });
    this.tell();
  }

  forget(id) {
    clearTimeout(this.writers.get(id)?.timer);
    if (this.writers.delete(id)) this.tell();
  }

  tell() {
    const names = [...this.writers.values()].map(({ name }) => name);
    const sentence = ngettext("%(names)s is writing…", "%(names)s are writing…", names.length);
    setText(this.writing, names.length ? fill(sentence, { names: listed(names.slice(0, SHOWN), Math.max(0, names.length - SHOWN)) }) : "");
  }
}

/** Calls `tell` while somebody writes in the field, now and then. */
export function tellWriting(field, tell) {
  let told = -TELL_EVERY;
  field.addEventListener("input", () => {
    if (!field.value || performance.now() - told < TELL_EVERY) return;
    told = performance.now();
    tell();
  });
  // The next message is a new beginning.
  field.form.addEventListener("submit", () => { told = -TELL_EVERY; });
}

function listed(names, more) {
  const parts = more ? [...names, fill(gettext("%(count)s more"), { count: more })] : names;
  return new Intl.ListFormat(language, { type: "conjunction" }).format(parts);
}
