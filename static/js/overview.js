/** The admin's first page, drawn anew every few seconds while somebody looks. */
const EVERY = 5000;
const node = document.getElementById("overview");

async function draw() {
  if (document.hidden) return;
  const answer = await fetch(node.dataset.from, { credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return; // signed out, or the site restarts
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const held = document.activeElement?.closest("#overview a")?.getAttribute("href");
  node.replaceChildren(...fresh.body.childNodes);
  if (held) node.querySelector(`a[href="${held}"]`)?.focus({ preventScroll: true });
}

/** One after the other; a connection that is away for a moment is tried again. */
async function watch() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, EVERY));
    await draw().catch(() => {});
  }
}

watch();
