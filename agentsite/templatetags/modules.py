"""`{% import_map %}`: our browser modules by bare name. Their real addresses carry a hash, so no module may name one."""

import json
from pathlib import Path

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

VENDORED = ("diff", "marked", "dompurify", "highlight", "katex")
# Loaded when the first code block, or formula, is shown.
LAZY = ("highlight", "katex")
# Of one page only, which finds its way to them.
SELDOM = ("diff", "differences", "playground")


def addresses() -> dict[str, str]:
    """Every module's bare name and where the browser finds it."""
    own = sorted(path.stem for path in (Path(settings.BASE_DIR) / "static" / "js").glob("*.js"))
    return {f"#{name}": static(f"vendor/{name}.js") for name in VENDORED} | {f"#{name}": static(f"js/{name}.js") for name in own}


@register.simple_tag(takes_context=True)
def import_map(context: template.Context) -> SafeString:
    """The nonce'd import map, and a preload for each module: without them the browser learns of one level at a time."""
    request: HttpRequest = context["request"]
    modules = addresses()
    # Names are file names and addresses are made by us; "<" is escaped so that no value could end the script.
    mapped = mark_safe(json.dumps({"imports": modules}).replace("<", "\\u003c"))
    usual = (name for name in modules if name[1:] not in LAZY and not name[1:].startswith(SELDOM))
    preloads = ((modules[name],) for name in usual)
    return format_html(
        '<script type="importmap" nonce="{}">{}</script>\n{}',
        request.csp_nonce,  # type: ignore[attr-defined]
        mapped,
        format_html_join("\n", '<link rel="modulepreload" href="{}">', preloads),
    )
