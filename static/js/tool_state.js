/** How a tool call is told in one line: its state, its main argument, its time. */
import { duration } from "#times";
import { gettext } from "#words";

const STATES = {
  requested: ["warn", gettext("waits for an answer")],
  awaiting_approval: ["warn", gettext("waits for approval")],
  approved: ["wait", gettext("approved")],
  denied: ["stop", gettext("denied")],
  running: ["run", gettext("running")],
  succeeded: ["good", gettext("done")],
  failed: ["bad", gettext("failed")],
  unknown: ["warn", gettext("outcome unknown")],
  expired: ["stop", gettext("expired")],
};
const LONGEST = 80;

/** The icon's name and the word for a call's state; without a call the model is still writing its arguments. */
export const stateOf = (call) => (call ? STATES[call.status] ?? ["wait", call.status] : ["run", gettext("being written")]);

/** The first plain value among the arguments: what the call is about. */
export function mainArgument(input) {
  const value = Object.values(input ?? {}).find((each) => ["string", "number"].includes(typeof each) && each !== "");
  const text = String(value ?? "").replace(/\s+/g, " ");
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** How long it took, or has been taking. */
export const timeOf = (call) => (call ? duration(call.started_at, call.ended_at) : "");

/** The progress of a running call as `{text, fraction}`, or null. */
export const progressOf = (call) => (call?.status === "running" && call.progress ? call.progress : null);
