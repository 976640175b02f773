/** The list of threads: what is pinned first, then the newest activity, by day; or what is archived. */
import { request } from "#api";
import { arrange, element, icon, keepingFocus, setText } from "#element";
import * as commands from "#thread_commands";
import { isNew, ThreadEntry } from "#thread_entry";
import { dayGroup } from "#times";
import { fill, gettext } from "#words";

// As they follow one another.
const GROUPS = { Pinned: gettext("Pinned"), Today: gettext("Today"), Yesterday: gettext("Yesterday"), Earlier: gettext("Earlier"), Archived: gettext("Archived") };
const PAGE = 50;

export class ThreadList {
  /** `listing` is what a page begins with: the newest `threads`, those `pinned`, `before`: the cursor of the next ones or null. */
  constructor(node, listing, { me, currentId, seen }) {
    Object.assign(this, { node, me, currentId, seen, commands });
    this.threads = new Map();
    this.entries = new Map();
    this.groups = new Map(Object.entries(GROUPS).map(([name, title]) => [name, new Group(title)]));
    this.shelf = "active";
    this.before = { active: listing.before, archived: null };
    this.selected = null; // ids, while one selects
    this.more = element("button", { type: "button", class: "quiet", onclick: () => this.loadMore() }, gettext("Show older threads"));
    this.switch = element("button", { type: "button", class: "quiet", onclick: () => this.turn() });
    this.empty = element("p", { class: "muted" });
    this.bar = new SelectionBar(this);
    this.apply({ type: "threads", ...listing });
  }

  /** Takes one frame of the feed. */
  apply(frame) {
    if (frame.type === "threads") this.takeAll(frame);
    else if (frame.type === "thread") this.keep(frame.thread);
    else if (frame.type === "thread_gone") this.threads.delete(frame.id);
    else return;
    this.draw();
  }

  /** What should be among these and is not has gone. */
  takeAll({ threads, pinned, before }) {
    const all = [...threads, ...pinned];
    const there = new Set(all.map(({ id }) => id));
    const oldest = before === null ? "" : threads.at(-1).last_activity;
    for (const { id, status, last_activity: at } of this.threads.values()) {
      if (status === "active" && at > oldest && !there.has(id)) this.threads.delete(id);
    }
    for (const thread of all) this.keep(thread);
  }

  keep(thread) {
    const held = this.threads.get(thread.id);
    if (!held || held.version <= thread.version) this.threads.set(thread.id, thread);
  }

  draw() {
    keepingFocus(this.node, () => this.arrange());
    this.seen.update(this.threads.get(this.currentId));
  }

  arrange() {
    const shown = [...this.threads.values()].filter(({ status }) => status === this.shelf);
    shown.sort((a, b) => (a.last_activity < b.last_activity ? 1 : -1));
    for (const [name, group] of this.groups) group.fill(shown.filter((thread) => groupOf(thread) === name).map((thread) => this.entry(thread)));
    const filled = [...this.groups.values()].filter((group) => group.size).map((group) => group.node);
    setText(this.empty, this.shelf === "active" ? gettext("Your threads will be listed here.") : gettext("Nothing is archived."));
    setText(this.switch, this.shelf === "active" ? gettext("Archived threads") : gettext("Back to all threads"));
    this.more.hidden = this.before[this.shelf] === null;
    this.bar.update();
    arrange(this.node, [this.bar.node, ...(filled.length ? filled : [this.empty]), this.more, this.switch]);
  }

  entry(thread) {
    if (!this.entries.has(thread.id)) this.entries.set(thread.id, new ThreadEntry(this, thread.id === this.currentId));
    const entry = this.entries.get(thread.id);
    entry.update(thread);
    return entry.node;
  }

  owns(thread) {
    return thread.owner?.id === this.me.id;
  }

  /** The menu of an entry. */
  actions(entry) {
    const { thread } = entry;
    const owns = this.owns(thread);
    const writes = ["owner", "writer"].includes(thread.members.find(({ id }) => id === this.me.id)?.role);
    const archived = thread.status === "archived";
    const pinned = thread.mine?.pinned_at;
    return [
      !archived && { name: "pin", label: pinned ? gettext("Unpin") : gettext("Pin"), act: () => commands.pin(thread, !pinned) },
      !archived && !entry.isCurrent && { name: "mark", label: isNew(thread) ? gettext("Mark as read") : gettext("Mark as new"), act: () => commands.markSeen(thread, isNew(thread)) },
      writes && { name: "pencil", label: gettext("Rename"), act: () => entry.startRenaming() },
      owns && { name: "archive", label: archived ? gettext("Back to all threads") : gettext("Archive"), act: () => commands.archive([thread], !archived) },
      owns && { name: "good", label: gettext("Select several"), act: () => this.startSelecting(thread) },
      owns && { name: "trash", label: gettext("Delete"), danger: true, act: () => commands.remove([thread], this.currentId) },
      !owns && { name: "close", label: gettext("Leave"), danger: true, act: () => commands.leave(thread, this.me, this.currentId) },
    ];
  }

  startSelecting(thread) {
    this.selected = new Set([thread.id]);
    this.draw();
    this.entries.get(thread.id).box.focus();
  }

  stopSelecting() {
    this.selected = null;
    this.draw();
    this.node.querySelector("a")?.focus();
  }

  tick(thread, ticked) {
    if (ticked) this.selected.add(thread.id);
    else this.selected.delete(thread.id);
    this.bar.update();
  }

  get ticked() {
    return [...this.threads.values()].filter(({ id }) => this.selected?.has(id));
  }

  /** Active threads in place of archived ones, or the other way. */
  async turn() {
    this.shelf = this.shelf === "active" ? "archived" : "active";
    this.selected = null;
    this.draw();
    if (this.shelf === "archived") await this.load({ status: "archived" });
  }

  loadMore() {
    return this.load({ status: this.shelf, before: this.before[this.shelf] });
  }

  async load(query) {
    const page = await request("GET", `/api/threads?${new URLSearchParams({ limit: PAGE, ...query })}`);
    this.before[query.status] = page.before;
    for (const thread of page.threads) this.keep(thread);
    this.draw();
  }
}

function groupOf(thread) {
  if (thread.status === "archived") return "Archived";
  return thread.mine?.pinned_at ? "Pinned" : dayGroup(thread.last_activity);
}

class Group {
  constructor(title) {
    this.list = element("ul", {});
    this.node = element("section", {}, element("h2", { class: "small-title" }, title), this.list);
    this.size = 0;
  }

  fill(nodes) {
    this.size = nodes.length;
    arrange(this.list, nodes);
  }
}

/** What can be done with the threads that are ticked. */
class SelectionBar {
  constructor(list) {
    this.list = list;
    const button = (label, act) => element("button", { type: "button", class: "quiet", onclick: act }, label);
    const then = (act) => () => {
      act(list.ticked);
      list.stopSelecting();
    };
    this.count = element("span", { role: "status" });
    this.archive = button(gettext("Archive"), then((threads) => list.commands.archive(threads, list.shelf === "active")));
    this.remove = button(gettext("Delete"), then((threads) => list.commands.remove(threads, list.currentId)));
    const cancel = element("button", { type: "button", class: "icon-button", "aria-label": gettext("Cancel"), onclick: () => list.stopSelecting() }, icon("close"));
    this.node = element("div", { class: "selection", hidden: true }, this.count, this.archive, this.remove, cancel);
  }

  update() {
    const number = this.list.ticked.length;
    this.node.hidden = this.list.selected === null;
    setText(this.count, fill(gettext("%(count)s selected"), { count: number }));
    setText(this.archive, this.list.shelf === "active" ? gettext("Archive") : gettext("Unarchive"));
    for (const button of [this.archive, this.remove]) button.disabled = number === 0;
  }
}
