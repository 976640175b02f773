"""Sees whatever a text does in a page that a text must not do."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Frame, Request, Route

from tests.browser.conftest import Tab

# The target still knows what it is made of when the policy has stopped it.
REPORT = """addEventListener("securitypolicyviolation", (event) => {
  harmSeen(`policy ${event.effectiveDirective} ${event.blockedURI} ${event.target?.outerHTML?.slice(0, 200) ?? ""}`);
});"""
AUDIT = """([content, admin]) => {
  const found = [], say = (what, node) => found.push(`${what}: ${node.outerHTML.slice(0, 200)}`);
  const ADDRESSES = ["href", "xlink:href", "src", "action", "formaction", "data", "poster", "background", "cite", "longdesc", "codebase"];
  const NEVER = ["srcset", "ping", "srcdoc", "manifest", "attributionsrc", "contenteditable", "is"];
  const STRANGE = `iframe, object, embed, base, math:not(.maths > math), annotation, annotation-xml, maction, frame, frameset, applet, marquee, video, audio, picture, source, track, portal, xmp,
    plaintext, noembed, noframes, mglyph, image, x, [id="__proto__"]`;
  const INSIDE = `script, style, meta, link, template, noscript, title, area, map, body, html` +
    (admin ? `, svg:not([class="proportion"][aria-hidden]), img:not([src^="/static/admin/"])` : `, svg, img:not(.picture > img), textarea, select, form:not(.question)`);
  const PICTURE = /^data:image\\/(png|jpeg|gif|webp|avif)[;,]/;
  for (const node of document.querySelectorAll(STRANGE)) say("element", node);
  for (const root of document.querySelectorAll(content)) for (const node of root.querySelectorAll(INSIDE)) say("element", node);
  for (const node of document.querySelectorAll("*")) for (const { name, value } of node.attributes) {
    if (/^on/i.test(name)) say("handler", node);
    if (name === "style" && (!admin || /url|expression|import|\\\\/i.test(value))) say("style", node);
    if (NEVER.includes(name)) say("attribute", node);
    if (ADDRESSES.includes(name)) address(node, value);
  }
  function address(node, value) {
    const { protocol, origin } = new URL(value, document.baseURI);
    if (protocol === "data:" && (node.matches("a.file-card[download]") || (node.matches(".picture > img") && PICTURE.test(value)))) return;
    if (!["http:", "https:", "mailto:"].includes(protocol)) say("address", node);
    else if (node.localName !== "a" && origin !== location.origin) say("foreign address", node);
  }
  // A task list's boxes have names, and those are the page's own.
  const named = (node, name, value) => name === "aria-label" && node.type === "checkbox" && ["Done", "Not done yet"].includes(value);
  const PROSE = ["class", "href", "title", "align", "start", "type", "checked", "disabled", "rel", "target", "tabindex"];
  for (const node of document.querySelectorAll(".prose *")) {
    if (!node.closest(".maths > math")) for (const { name, value } of node.attributes) if (!PROSE.includes(name) && !named(node, name, value)) say("attribute", node);
    const rel = (node.getAttribute("rel") ?? "").split(" ");
    if (node.href && !["noopener", "noreferrer", "nofollow"].every((word) => rel.includes(word))) say("link", node);
    if (node.localName === "input" && !(node.type === "checkbox" && node.disabled)) say("field", node);
    if (node.localName === "button" && node.className !== "quiet copy") say("button", node);
  }
  for (const script of document.scripts) if (!script.src && !script.nonce && !script.type.endsWith("json")) say("script", script);
  if (Object.keys(Object.prototype).length) found.push(`prototype: ${Object.keys(Object.prototype)}`);
  if (![document.getElementById, document.createElement, document.querySelector].every((each) => typeof each === "function")) found.push("clobbered");
  return found;
}"""
# Where a page shows what somebody wrote.
CONTENT = "#scroller, #runs, #thread-list, #members, #title, #person-bar p, #announcer, #read-only, .person, .memories, .form-error, .card h1, .figures, .bar-title"
# The playground's; `#run` has the picture of the timeline besides.
CONTENT += ", #saw, #now, #why, #told-notes, #people, #user-threads, .facts, .gantt th, #raw, #before, #after, #changes"
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))"


STATIC: dict[str, tuple[str, bytes]] = {}


def _fulfil(route: Route) -> None:
    """Static files from memory: these tests open a hundred pages."""
    path = urlsplit(route.request.url).path
    if path not in STATIC:
        answer = route.fetch()
        STATIC[path] = answer.headers["content-type"], answer.body()
    kind, body = STATIC[path]
    route.fulfill(content_type=kind, body=body)


class Harm:
    """Watches a tab from before its first page; `found()` looks at the page of now, too."""

    def __init__(self, tab: Tab) -> None:
        self.page, self.origin = tab.page, tab.site.url
        self.seen: list[str] = []
        tab.context.expose_binding("harmSeen", lambda source, text: self.seen.append(text))
        tab.context.add_init_script(REPORT)
        tab.context.route(re.compile(f"^(?!{re.escape(self.origin)}/|data:|blob:)"), lambda route: route.abort())
        tab.context.route("**/static/**", _fulfil)
        tab.context.on("request", self._requested)
        tab.context.on("dialog", lambda dialog: (self.seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
        tab.context.on("page", lambda page: self.seen.append(f"page {page.url}"))
        self.page.on("frameattached", self._framed)
        self.page.on("download", lambda download: self.seen.append(f"download {download.url}"))

    def found(self, admin: bool = False) -> list[str]:
        """All that is wrong, each with a piece of the payload, and so with its number."""
        self.page.evaluate(SETTLED)
        return self.seen + self.page.evaluate(AUDIT, ["#content :is(td, th, li, .readonly, h2)" if admin else CONTENT, admin])

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", "data:", "blob:")):
            self.seen.append(f"request {request.url}")

    def _framed(self, frame: Frame) -> None:
        self.seen.append(f"frame {frame.url}")
