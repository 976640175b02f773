/** Makes an element: `element("a", {class: "x", href, onclick}, "text", node)`. Text is always text, never markup. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const icon = (name) => element("span", { class: `icon icon-${name}`, "aria-hidden": "true" });

/** The JSON that the page carries under this id. */
export const embedded = (id) => JSON.parse(document.getElementById(id).textContent);

/**
 * Makes `parent` hold exactly `nodes`, in order, touching only what differs:
 * focus, selection and playing transitions of the others survive.
 */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  let at = parent.firstChild;
  for (const node of nodes) {
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
}

/**
 * Runs `change`, which rearranges `container`: what has the focus keeps it where it moved; if it is gone, the next thing in there that
 * could have it gets it, or `instead`.
 */
export function keepingFocus(container, change, instead = null) {
  const active = document.activeElement;
  if (!container.contains(active)) return change();
  const stops = [...container.querySelectorAll("a[href], button, input")];
  change();
  if (document.activeElement === active) return;
  const usable = (node) => container.contains(node) && node.checkVisibility();
  const at = stops.indexOf(active);
  const next = [active, ...stops.slice(at + 1), ...stops.slice(0, at).reverse()].find(usable) ?? instead;
  next?.focus({ preventScroll: true });
}

/** Sets text only when it differs. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
