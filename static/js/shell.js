/** What every page of the chat has: the live list of threads, and the panes that slide in on small screens. */
import { signIn } from "#api";
import { startCommands } from "#commands";
import { forgetDrafts } from "#draft";
import { embedded } from "#element";
import { InboxList } from "#inbox_list";
import { startPanes, toggle } from "#panes";
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
  document.cookie = `time_zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; max-age=31536000; samesite=lax`; // for pages that the server makes
  startPanes();
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
