/** Small buttons under a message. */
import { element, icon } from "#element";

const THINK = 4000;

/** An icon that does something; while it does, pressing it is in vain. `complain` is told why it failed. */
export function actionButton(name, label, act, { complain }) {
  const button = element("button", { type: "button", class: "icon-button", "aria-label": label, title: label }, icon(name));
  let busy = false; // not `disabled`, which would take the focus away
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    try {
      await act();
    } catch (error) {
      complain(error.message);
    } finally {
      busy = false;
    }
  });
  return button;
}

/** One that asks `question` first: the second press within four seconds counts. */
export function doubtfulButton(name, label, question, act, tools) {
  const button = actionButton(name, label, () => (sure() ? act() : ask()), tools);
  let timer = null;
  const sure = () => timer !== null;
  const forget = () => {
    clearTimeout(timer);
    timer = null;
    button.classList.remove("asks");
    button.replaceChildren(icon(name));
    button.setAttribute("aria-label", label);
  };
  function ask() {
    timer = setTimeout(forget, THINK);
    button.classList.add("asks");
    button.replaceChildren(question);
    button.setAttribute("aria-label", question);
  }
  button.addEventListener("blur", forget);
  return button;
}
