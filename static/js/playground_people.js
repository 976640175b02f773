/** The playground's way in: people, the threads of one of them, and a new thread in their name. */
import { attempt, request } from "#api";
import { element } from "#element";
import { ago } from "#times";
import { fill, gettext, ngettext } from "#words";

const PAUSE = 200;
const api = "/api/playground";

export class People {
  /** `chosen` is the user whose threads are shown at first, if any; `current` the thread that is open. */
  constructor({ field, people, threads, heading, more, add, address, complain, chosen = null, current = null }) {
    Object.assign(this, { field, people, threads, heading, more, add, address, complain, current });
    this.asked = 0;
    field.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.find(), PAUSE);
    });
    more.addEventListener("click", () => this.load());
    add.addEventListener("click", () => attempt(complain, () => this.begin()));
    this.find();
    if (chosen) this.choose(chosen);
  }

  find() {
    return attempt(this.complain, async () => {
      const asked = (this.asked += 1);
      const { users } = await request("GET", `${api}/users?${new URLSearchParams({ search: this.field.value, limit: 30 })}`);
      if (asked !== this.asked) return; // a later question was faster
      this.people.replaceChildren(...users.map((user) => this.entry(user)));
      if (!users.length) this.people.append(element("li", { class: "muted" }, gettext("Nobody of this name has threads.")));
    });
  }

  entry(user) {
    const button = element("button", { type: "button", class: "thread-link", "aria-pressed": String(user.id === this.user?.id), onclick: () => this.choose(user) },
      element("span", { class: "thread-title" }, user.name),
      element("span", { class: "count-of" }, String(user.threads), element("span", { class: "unseen" }, ` ${ngettext("thread", "threads", user.threads)}`)));
    button.dataset.user = user.id;
    return element("li", {}, button);
  }

  choose(user) {
    this.user = user;
    this.before = null;
    this.page = (this.page ?? 0) + 1; // what is still on its way for another choice is not shown
    for (const button of this.people.querySelectorAll("[data-user]")) button.setAttribute("aria-pressed", String(button.dataset.user === user.id));
    this.heading.textContent = user.id === "none" ? gettext("Threads of nobody") : fill(gettext("Threads of %(name)s"), user);
    this.add.hidden = user.id === "none";
    this.threads.replaceChildren();
    return this.load();
  }

  load() {
    return attempt(this.complain, async () => {
      const { user, page } = this;
      if (page === this.loading) return;
      this.loading = page;
      const { threads, before } = await request("GET", `${api}/threads?${new URLSearchParams({ user: user.id, ...(this.before && { before: this.before }) })}`);
      if (page !== this.page) return;
      this.loading = null;
      this.before = before;
      this.more.hidden = !before;
      this.threads.append(...threads.map((thread) => this.link(thread)));
      if (!this.threads.children.length) this.threads.append(element("li", { class: "muted" }, gettext("No threads yet.")));
    });
  }

  link(thread) {
    const current = thread.id === this.current;
    return element("li", {}, element("a", { class: "thread-link two-lines", href: this.address(thread.id), "aria-current": current && "page" },
      element("span", { class: "thread-title" }, thread.title || gettext("New thread")),
      element("span", { class: "thread-more" }, `${thread.last_agent || thread.agent || gettext("no agent yet")} · ${ago(thread.last_activity)}`),
      element("span", { class: "thread-more" }, thread.last_message?.text || gettext("Nothing was said"))));
  }

  async begin() {
    const thread = await request("POST", `${api}/threads`, { user: this.user.id });
    location.assign(this.address(thread.id));
  }
}
