/** A line at the lower edge that says what happened and goes by itself; it never takes the focus. */
import { element } from "#element";

const SHOWN = 10_000;
const place = element("div", { class: "toasts", role: "status" });
let timer = null;

/** Shows `text`, in place of the last one; with `action`, a button `{label, act}` that takes it away. */
export function toast(text, action = null) {
  if (!place.isConnected) document.body.append(place);
  const press = () => {
    hide();
    action.act();
  };
  const button = action && element("button", { type: "button", class: "quiet", onclick: press }, action.label);
  place.replaceChildren(element("div", { class: "toast" }, element("span", {}, text), button));
  stay();
}

function stay() {
  clearTimeout(timer);
  timer = setTimeout(() => (place.matches(":hover, :focus-within") ? stay() : hide()), SHOWN);
}

const hide = () => place.replaceChildren();
