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

/** Sets text only when it differs. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
