/** The inbox without a conversation; on a phone the list itself is what there is to see. */
import { Badge } from "#badge";
import { startShell } from "#shell";

const badge = new Badge(document.getElementById("badge"));
startShell({ onState: (state) => badge.set(state) });
if (matchMedia("(max-width: 699.98px)").matches) document.querySelector("[data-toggle=threads]").click();
