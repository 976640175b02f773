/** The playground's page: people and their threads, and of one thread what happened in there and what could have. */
import { embedded } from "#element";
import { startPanes } from "#panes";
import { Desk } from "#playground_desk";
import { People } from "#playground_people";

const at = (id) => document.getElementById(id);
const snapshot = embedded("snapshot");

function complain(text) {
  at("complaint").textContent = text;
  at("complaint").hidden = !text;
}

startPanes();
new People({
  field: at("people-search"), people: at("people"), threads: at("user-threads"), heading: at("threads-of"), more: at("more-threads"), add: at("add-thread"),
  address: (id) => `${document.body.dataset.threads}${id}/`, complain, chosen: embedded("user"), current: snapshot?.thread.id,
});
const user = embedded("user");
if (snapshot) new Desk(snapshot, { agents: embedded("agents-data"), me: embedded("me"), user: user?.id === "none" ? null : user, complain });
