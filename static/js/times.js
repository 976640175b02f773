/** Times in words. */
import { fill, gettext, locale } from "#words";

const timeZone = known(globalThis.document?.documentElement.dataset.timeZone);
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", timeZone });
const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone });
const date = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone });
const sortable = new Intl.DateTimeFormat("sv", { timeZone }); // Swedes write 2026-11-22
const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const UNITS = [[86_400, gettext("d")], [3600, gettext("h")], [60, "min"]];

export const clockTime = (iso) => clock.format(new Date(iso));
export const fullTime = (iso) => moment.format(new Date(iso));
export const fullDay = (iso) => date.format(new Date(iso));

/** The zone that is set for the reader, or undefined for this machine's: also where this browser's list is older than the server's. */
function known(zone) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** "0.4 s", "12 s", "3 min 5 s" between two ISO times; the second may be missing (now). "" without a start. */
export function duration(start, end) {
  if (!start) return "";
  const seconds = Math.max(0, ((end ? new Date(end) : new Date()) - new Date(start)) / 1000);
  if (seconds < 10) return `${tenths.format(seconds)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** What a countdown shows: "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h". */
export function timeLeft(exactly) {
  const seconds = Math.ceil(exactly);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours < 48) return fill(gettext("%(hours)s h %(minutes)s min"), { hours, minutes });
  return fill(gettext("%(days)s d %(hours)s h"), { days: Math.floor(hours / 24), hours: hours % 24 });
}

/** How long ago that was, in the largest unit: "12 s", "5 min", "3 h", "2 d". */
export function ago(iso, now = new Date()) {
  const seconds = Math.max(0, (now - new Date(iso)) / 1000);
  const [size, unit] = UNITS.find(([least]) => seconds >= least) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** The list group of a time: "Today", "Yesterday" or "Earlier". */
export function dayGroup(iso, now = new Date()) {
  const today = sortable.format(now);
  const [year, month, day] = today.split("-").map(Number);
  const yesterday = new Date(Date.UTC(year, month - 1, day - 1)).toISOString().slice(0, 10);
  const then = sortable.format(new Date(iso));
  if (then >= today) return "Today";
  return then === yesterday ? "Yesterday" : "Earlier";
}
