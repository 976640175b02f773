/** The page of one thread: makes its parts and ties them to the store. */
import { ActivityPanel } from "#activity_panel";
import { Announcer } from "#announcer";
import { attempt, request, signIn } from "#api";
import { Badge } from "#badge";
import { Company, tellWriting } from "#company";
import { Composer } from "#composer";
import { element, embedded } from "#element";
import { partOf } from "#files";
import { Jump } from "#jump";
import { menuButton } from "#menu";
import { MessageList } from "#message_list";
import { Notes } from "#notes";
import { Opinions } from "#opinions";
import { Pages } from "#pages";
import { PersonBar } from "#person_bar";
import { Scroll } from "#scroll";
import { Share } from "#share";
import { startShell } from "#shell";
import { Suggestion } from "#suggestion";
import { ThreadSocket } from "#thread_socket";
import { ThreadStore } from "#thread_store";
import { Title } from "#title";
import { uuid7 } from "#uuid";
import { listedAs } from "#versions";
import { fill, gettext } from "#words";

const at = (id) => document.getElementById(id);
const me = embedded("me");
const agents = embedded("agents-data");
const store = new ThreadStore();
store.apply(embedded("snapshot"));
const threadId = store.thread.id;
const path = `/api/threads/${threadId}`;

const agentTitle = (name) => agents.find((agent) => agent.name === name)?.title ?? name;
const myRole = () => store.thread.members.find((member) => member.id === me.id)?.role;
const retry = async (run) => store.adopt(rowsOf(await request("POST", `/api/runs/${run.id}/retry`)));
const stopRun = (run) => request("POST", `/api/runs/${run.id}/stop`);
const answerCall = (call, result) => request("POST", `${path}/tool-calls/${call.id}/result`, { result });
const settle = (call, happened, note) => request("POST", `${path}/tool-calls/${call.id}/settle`, { happened, note });
/** Another version of the conversation from a prompt on, which is then shown. */
async function branch(message, text, agent) {
  const { thread } = await request("POST", `${path}/branches`, { message, text, agent, id: uuid7() });
  location.assign(`/threads/${thread.id}/`);
}

/** A thread of one's own with all that was said up to a message, which is then shown. */
async function fork(through) {
  const { id } = await request("POST", `${path}/forks`, { through, id: uuid7() });
  location.assign(`/threads/${id}/`);
}

/** A temporary thread becomes one like others. */
async function keep() {
  await request("PATCH", path, { temporary: false });
  at("keep").parentElement.remove();
  at("text").focus();
}

const remove = (message) => request("DELETE", `${path}/messages/${message}`);
const mayDelete = (row) => mayWrite() && [store.thread.owner?.id, row?.author?.id].includes(me.id);
const quote = (text) => composer.insert(`${text.trim().replace(/^/gm, "> ")}\n\n`);
const decide = (calls, approved, reason) => request("POST", `${path}/decisions`, {
  decisions: calls.map((call) => ({ call: call.id, arguments_hash: call.arguments_hash, approved, reason })),
});
const operates = embedded("may-operate");
const mayWrite = () => operates || ["owner", "writer"].includes(myRole());
const rowsOf = ({ message, run }) => ({ messages: [message], runs: run ? [run] : [] });

async function send({ id, text, files }) {
  store.post({ id, text, files: files.map(partOf) });
  const message = { id, text, files: files.map((row) => row.id) };
  scroll.toEnd();
  try {
    if (personBar.isMine) store.adopt(rowsOf({ message: await request("POST", `${path}/replies`, message) }));
    else store.adopt(rowsOf(await request("POST", `${path}/messages`, { ...message, agent: at("agent").value })));
  } catch (error) {
    // The row may have come by the socket although its answer got lost.
    if (!store.messages.has(id)) throw error;
  } finally {
    store.unpost(id);
  }
}

async function stop() {
  at("stop").disabled = true;
  try {
    await request("POST", `${path}/stop`);
  } catch (error) {
    composer.complain(error.message);
  } finally {
    at("stop").disabled = false;
  }
}

function drawDock() {
  at("stop").hidden = store.activeRuns.length === 0 || !mayWrite();
  at("composer").hidden = !mayWrite();
  at("denies").hidden = !mayWrite() || personBar.isMine || ![...store.toolCalls.values()].some((call) => call.status === "awaiting_approval");
  at("agent").parentElement.hidden = Boolean(store.thread.assigned_to);
  at("text").placeholder = personBar.isMine ? gettext("Answer under your name…") : gettext("Write a message…");
  if (operates) at("suggestion").hidden = !personBar.isMine;
  at("read-only").hidden = mayWrite();
  at("read-only").textContent = fill(gettext("You can read this thread. %(owner)s can let you write."), { owner: store.thread.owner?.name ?? gettext("Its owner") });
}

/** The agents to choose from, and the thread's own: it may have been handed to one that nobody can choose. */
function drawAgents() {
  if (drawAgents.shown === store.thread.agent) return;
  drawAgents.shown = store.thread.agent;
  const offered = agents.filter((agent) => agent.listed || agent.name === store.thread.agent);
  at("agent").replaceChildren(...offered.map((agent) => element("option", { value: agent.name, selected: agent.name === store.thread.agent }, agent.title)));
}

function unavailable(code) {
  if (code === 4401) return signIn();
  pages.stop();
  at("composer").hidden = true;
  at("read-only").hidden = false;
  at("read-only").textContent = gettext("This thread is no longer available to you.");
}

drawAgents();
const personBar = new PersonBar(store, { node: at("person-bar"), path, me, operates });
const opinions = new Opinions(path, () => store.tell());
const badge = new Badge(at("badge"));
const scroll = new Scroll(at("scroller"), at("messages"), at("latest"));
const list = new MessageList(store, at("messages"), scroll, { store, me, agents, agentTitle, opinions, retry, branch, fork, remove, mayDelete, quote, complain: (text) => composer.complain(text), decide, answer: answerCall, settle, mayWrite, operates });
const composer = new Composer(at("composer"), { send, draft: threadId, limits: embedded("limits-data") });
const pages = new Pages({ store, list, scroll, scroller: at("scroller"), note: at("older"), path });
new ActivityPanel(store, at("runs"), { agentTitle, stop: stopRun, total: at("thread-usage"), usage: () => request("GET", `${path}/usage`) });
new Announcer(store, at("announcer"), agentTitle);
new Title(store, { node: at("title"), path, mayRename: mayWrite });
new Share(store, { dialog: at("share"), opener: at("share-open"), path, me });
const take = (form) => location.assign(`${path}/export?form=${form}`);
const exports = () => [
  { name: "down-to", label: gettext("Export as JSON"), act: () => take("json") },
  { name: "down-to", label: gettext("Export as Markdown"), act: () => take("markdown") },
];
at("more").replaceWith(menuButton(gettext("More"), exports));
/** What can be done here, for whoever types its name. */
const commands = () => [
  ...(at("stop").hidden ? [] : [{ name: "stop", label: gettext("Stop the answer"), act: stop }]),
  ...(mayWrite() ? [{ name: "clip", label: gettext("Attach files"), act: () => at("attach").click() }] : []),
  { name: "people", label: gettext("Share"), act: () => at("share-open").click() },
  ...exports(),
];
if (operates) new Suggestion(at("suggestion"), { path, use: (text) => composer.insert(text) });
at("stop").addEventListener("click", stop);
at("keep")?.addEventListener("click", () => attempt((text) => composer.complain(text), keep));
// Whoever opens a card wants to read it, not to be carried to the end.
at("messages").addEventListener("click", (event) => event.target.closest("summary") && scroll.release());
store.subscribe(({ run }) => run === null && (drawDock(), drawAgents()));
drawDock();
const heard = [composer.allowance, opinions, ...(operates ? [new Notes(at("notes"), { path, me })] : [])];
startShell({ currentId: at("inbox") ? threadId : listedAs(store.thread), commands, onFrame: (frame) => heard.forEach((each) => each.apply(frame)) });
function stateChanged(state) {
  badge.set(state);
  if (state !== "live") company.clear(); // who came and went meanwhile is told anew
}

const company = new Company({ here: at("here"), words: at("here-words"), writing: at("writing") });
const socket = new ThreadSocket(store, threadId, { onState: stateChanged, onGone: unavailable, onFrame: (frame) => company.apply(frame) });
tellWriting(at("text"), () => socket.typing());
if (matchMedia("(hover: hover)").matches) at("text").focus({ preventScroll: true });
new Jump({ store, list, scroll, pages });
