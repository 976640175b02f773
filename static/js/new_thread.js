/** The start of a thread: choose who answers, ask, and go on to the thread's page. */
import { request } from "#api";
import { Badge } from "#badge";
import { bringIn } from "#bring_in";
import { Composer } from "#composer";
import { element, embedded } from "#element";
import { startShell } from "#shell";
import { toast } from "#toast";
import { uuid7 } from "#uuid";
import { fill, gettext, ngettext } from "#words";

const at = (id) => document.getElementById(id);
const agents = embedded("agents-data").filter((agent) => agent.listed);
const preferred = embedded("chosen");
const threadId = uuid7(); // one for this page: trying again makes no second thread

let chosen = agents.find((agent) => agent.name === preferred) ?? agents[0];

function choice(agent) {
  const radio = element("input", { type: "radio", name: "choice", value: agent.name, checked: agent === chosen });
  radio.addEventListener("change", () => {
    chosen = agent;
    drawExamples();
  });
  return element("label", { class: "choice" }, radio,
    element("span", { class: "choice-title" }, agent.title), element("span", { class: "choice-text" }, agent.description));
}

function drawExamples() {
  at("examples").replaceChildren(...chosen.examples.slice(0, 3).map((text) => {
    const take = () => {
      composer.put(text);
      at("text").focus();
    };
    return element("button", { type: "button", class: "example", onclick: take }, text);
  }));
}

async function send({ id, text, files }) {
  await request("POST", "/api/threads", { id: threadId, agent: chosen.name, temporary: at("temporary").checked });
  await request("POST", `/api/threads/${threadId}/messages`, { id, text, files: files.map((row) => row.id), agent: chosen.name });
  location.assign(`/threads/${threadId}/`);
}

/** One thread is opened, several show up in the list. */
async function take() {
  const [file] = at("import").files;
  if (!file) return;
  at("import-open").disabled = true;
  try {
    toast(gettext("Bringing in…"));
    const { threads, known, failed } = await bringIn(file, (done, all) => toast(fill(gettext("Bringing in… %(done)s of %(all)s"), { done, all })));
    if (threads.length === 1 && !known && !failed.length) location.assign(`/threads/${threads[0].id}/`);
    else toast(outcome(threads.length, known, failed.length));
  } catch (error) {
    toast(error.message);
  } finally {
    at("import").value = "";
    at("import-open").disabled = false;
    at("import-open").focus();
  }
}

/** What became of the conversations in a file, by their numbers. */
function outcome(brought, known, failed) {
  const sentences = [
    ngettext("%(count)s thread brought in.", "%(count)s threads brought in.", brought),
    known && ngettext("%(count)s thread had been brought in before.", "%(count)s threads had been brought in before.", known),
    failed && ngettext("%(count)s conversation could not be read.", "%(count)s conversations could not be read.", failed),
  ];
  return sentences.map((sentence, n) => sentence && fill(sentence, { count: [brought, known, failed][n] })).filter(Boolean).join(" ");
}

const badge = new Badge(at("badge"));
const composer = new Composer(at("composer"), { send, draft: "new", limits: embedded("limits-data") });
at("choices").append(...agents.map(choice));
drawExamples();
at("import-open").addEventListener("click", () => at("import").click());
at("import").addEventListener("change", take);
startShell({ onState: (state) => badge.set(state), onFrame: (frame) => composer.allowance.apply(frame) });
if (matchMedia("(hover: hover)").matches) at("text").focus();
