/** What one can do to threads in a list: pin, mark, rename, archive, delete and bring back, leave. */
import { request } from "#api";
import { toast } from "#toast";
import { fill, gettext, ngettext } from "#words";

const KEPT = "deleted";
const OFFERED = 15_000;

const path = (thread) => `/api/threads/${thread.id}`;
const archived = (count) => fill(ngettext("Thread archived.", "%(count)s threads archived.", count), { count });
const returned = (count) => fill(ngettext("Thread back in the list.", "%(count)s threads back in the list.", count), { count });
const deleted = (count) => fill(ngettext("Thread deleted.", "%(count)s threads deleted.", count), { count });

export const pin = (thread, pinned) => attempt(() => request("PATCH", `${path(thread)}/mine`, { pinned }));
export const markSeen = (thread, seen) => attempt(() => request("PATCH", `${path(thread)}/mine`, { seen }));
export const rename = (thread, title) => attempt(() => request("PATCH", path(thread), { title }));

/** Out of the list, or back into it. */
export function archive(threads, away = true) {
  return attempt(async () => {
    for (const thread of threads) await request("PATCH", path(thread), { status: away ? "archived" : "active" });
    toast((away ? archived : returned)(threads.length), { label: gettext("Undo"), act: () => archive(threads, !away) });
  });
}

/** Whoever looks at one of them goes on to a new thread, where it can still be undone. */
export function remove(threads, currentId) {
  const ids = threads.map((thread) => thread.id);
  return attempt(async () => {
    await request("POST", "/api/threads/delete", { threads: ids });
    if (!ids.includes(currentId)) return offerUndo(ids);
    sessionStorage.setItem(KEPT, JSON.stringify({ ids, until: Date.now() + OFFERED }));
    location.assign("/threads/new/");
  });
}

export function leave(thread, me, currentId) {
  return attempt(async () => {
    await request("DELETE", `${path(thread)}/members/${me.id}`);
    if (thread.id === currentId) location.assign("/");
  });
}

/** On the page one came to by deleting the one before. */
export function offerUndoFromBefore() {
  const { ids, until } = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  sessionStorage.removeItem(KEPT);
  if (ids && Date.now() < until) offerUndo(ids);
}

function offerUndo(ids) {
  const restore = () => attempt(() => request("POST", "/api/threads/restore", { threads: ids }));
  toast(deleted(ids.length), { label: gettext("Undo"), act: restore });
}

async function attempt(act) {
  try {
    await act();
  } catch (error) {
    toast(error.message);
  }
}
