/** The panes that slide in on small screens: what `data-toggle` and `data-close` name. */

/** Has the page's buttons open and close them. */
export function startPanes() {
  for (const button of document.querySelectorAll("[data-toggle]")) {
    button.addEventListener("click", () => toggle(button.dataset.toggle));
  }
  for (const closer of document.querySelectorAll("[data-close]")) {
    closer.addEventListener("click", () => closer.dataset.close.split(" ").forEach((id) => toggle(id, false)));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") ["threads", "activity"].forEach((id) => toggle(id, false, { overlaysOnly: true }));
  });
}

/** Opens or closes a pane; without `open` the other of what it is. */
export function toggle(id, open, { overlaysOnly = false } = {}) {
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
