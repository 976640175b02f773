/** What every page of the chat has: the live list of threads, and the panes that slide in on small screens. */
import { signIn } from "#api";
import { startCommands } from "#commands";
import { forgetDrafts } from "#draft";
import { embedded } from "#element";
import { InboxList } from "#inbox_list";
import { Seen } from "#seen";
import { LiveSocket } from "#socket";
import { offerUndoFromBefore } from "#thread_commands";
import { ThreadList } from "#thread_list";
import { ThreadSearch } from "#thread_search";

const at = (id) => document.getElementById(id);

/**
 * Starts list, panes and commands; `onState` is told how the feed's connection is, `onFrame` its frames, and `commands()` gives what the page
 * can do besides.
 */
export function startShell({ currentId = null, onState = () => {}, onFrame = () => {}, commands = () => [] } = {}) {
  const list = at("inbox") ? startInbox(currentId) : startList(currentId);
  const take = (frame) => {
    list.apply(frame);
    if (frame.type === "inbox") showCount(frame.count);
    onFrame(frame);
  };
  new LiveSocket({ address: () => "/ws/me/", onFrame: take, onState, onGone: (code) => code === 4401 && signIn() });
  for (const button of document.querySelectorAll("[data-toggle]")) {
    button.addEventListener("click", () => toggle(button.dataset.toggle));
  }
  for (const closer of document.querySelectorAll("[data-close]")) {
    closer.addEventListener("click", () => closer.dataset.close.split(" ").forEach((id) => toggle(id, false)));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") ["threads", "activity"].forEach((id) => toggle(id, false, { overlaysOnly: true }));
  });
  document.querySelector(".sidebar-foot").addEventListener("submit", forgetDrafts);
  startCommands({ own: commands, threads: () => [...list.threads.values()].sort((a, b) => (a.last_activity < b.last_activity ? 1 : -1)) });
  offerUndoFromBefore();
  if (matchMedia("(min-width: 1100px)").matches && localStorage.getItem("activity") !== "closed") toggle("activity", true);
}

function startList(currentId) {
  new ThreadSearch({ field: at("search"), node: at("found"), instead: at("thread-list") });
  return new ThreadList(at("thread-list"), embedded("listing"), { me: embedded("me"), currentId, seen: new Seen() });
}

const startInbox = (currentId) => new InboxList(at("inbox"), embedded("inbox-data"), { me: embedded("me"), currentId });

/** How many threads wait for a person; operators are told. */
function showCount(number) {
  at("inbox-count").hidden = number === 0;
  at("inbox-count").textContent = number;
}

/** Opens or closes a pane; without `open` the other of what it is. */
function toggle(id, open, { overlaysOnly = false } = {}) {
  const pane = document.getElementById(id);
  if (!pane) return;
  const beside = id === "activity" && matchMedia("(min-width: 1100px)").matches;
  if (overlaysOnly && beside) return;
  const opened = open ?? !pane.classList.contains("is-open");
  const held = pane.contains(document.activeElement);
  pane.classList.toggle("is-open", opened);
  document.body.classList.toggle(`shows-${id}`, opened);
  const button = document.querySelector(`[data-toggle="${id}"]`);
  button?.setAttribute("aria-expanded", String(opened));
  if (beside) localStorage.setItem("activity", opened ? "open" : "closed");
  else if (opened) pane.querySelector("a, button")?.focus();
  if (!opened && held) button?.focus();
}
