"""`{% words %}`: what the page's scripts say, in the reader's language; nothing in English, which stands in the scripts."""

from functools import cache
from typing import Any

from django import template
from django.conf import settings
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JSONCatalog

register = template.Library()


@register.simple_tag
def words() -> SafeString:
    """Our own catalog of the domain `djangojs`, as JSON for `static/js/words.js`."""
    language = get_language() or "en"
    return SafeString("") if language == "en" else json_script(_catalog(language), "words")


@cache
def _catalog(language: str) -> dict[str, Any]:
    view = JSONCatalog()
    view.translation = DjangoTranslation(language, domain="djangojs", localedirs=[str(path) for path in settings.LOCALE_PATHS])
    return dict(view.get_catalog())
