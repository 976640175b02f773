"""Files in what a model is told. Messages carry them by reference, `{"type": "attachment", "part": …}`; what is sent of them is found
when a model is asked, and no sooner: pictures, PDFs and sounds as such, texts as text, of anything else that it is there.
"""

import base64
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.urls import reverse

from threads.convert import read_data_url
from threads.errors import BadInput
from threads.files import read
from threads.models import File

Json = dict[str, Any]
logger = logging.getLogger(__name__)
# What marks a message with the files of tools' results: no person said it. Servers are not told.
RESULTS = "results"
PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3"}
PDF = "application/pdf"
TEXTS = re.compile(r"text/.*|application/(json|toml|yaml|x-yaml|sql)|image/svg\+xml")
# A picture takes up to about so many tokens, however large it is.
PICTURE_TOKENS = 1600
# Of one text; of all that is sent besides, the newest first.
MOST_CHARS = 200_000
MOST_BYTES = 30_000_000
PUBLIC = TimestampSigner(salt="agents.attachments")
# Seconds for which a model's server may fetch a picture.
LIFETIME = 3600


def content_of(text: str, files: Sequence[Json]) -> str | list[Json]:
    """What a person said, with files: plain text if there are none. The files' own words are read here, so that they can be shortened."""
    if not files:
        return text
    return [*([{"type": "text", "text": text}] if text.strip() else []), *map(_told, files)]


def words(content: str | list[Json] | None) -> str:
    """The text of a message's content."""
    return content or "" if not isinstance(content, list) else "\n\n".join(part["text"] for part in content if part["type"] == "text")


def _told(part: Json) -> Json:
    media_type = part["mediaType"]
    if media_type in PICTURES or media_type in SOUNDS or media_type == PDF:
        return {"type": "attachment", "part": part}
    data = _bytes(part) if TEXTS.fullmatch(media_type) else None
    if data is None:
        return {"type": "text", "text": noted(part)}
    text = data[: 4 * MOST_CHARS].decode(errors="replace")[:MOST_CHARS].replace("\0", "\ufffd")
    return {"type": "text", "text": f"The file {name_of(part)}:\n<file>\n{text}\n</file>"}


def attachment_tokens(part: Json) -> int:
    """About so many tokens does a file part take. A page of a PDF takes at most 3,000, and is rarely smaller than 60 KB."""
    media_type, size = part["mediaType"], part.get("size") or len(part["url"]) * 3 // 4
    if media_type in PICTURES:
        return PICTURE_TOKENS
    if TEXTS.fullmatch(media_type):
        return min(int(size), MOST_CHARS) // 3
    return 500 + size // 20 if media_type == PDF or media_type in SOUNDS else 30


def noted(part: Json, why: str = "") -> str:
    """That a file is there, for a model that cannot have it."""
    where = f", at {part['url']}" if part["url"].startswith(("http:", "https:")) else ""
    return f"[A file is attached: {name_of(part)}, {part['mediaType']}{where}{f'. {why}' if why else ''}]"


def sources(messages: Iterable[Json]) -> dict[str, str]:
    """What is sent of the messages' attachments, by their addresses here: data URLs, or where the model's server may get a picture."""
    found: dict[str, str] = {}
    size = 0
    for part in reversed([part for message in messages for part in attachments(message)]):
        if not part.get("file") or part["url"] in found:
            continue
        if settings.PUBLIC_URL and part["mediaType"] in PICTURES:
            found[part["url"]] = settings.PUBLIC_URL + reverse("public-file", args=[PUBLIC.sign(part["file"])])
            continue
        size += part.get("size", 0)
        data = _bytes(part) if size <= MOST_BYTES else None
        if data is not None:
            found[part["url"]] = f"data:{part['mediaType']};base64,{base64.b64encode(data).decode()}"
    return found


def file_of(token: str) -> str | None:
    """The id of the file that a public address is for; None if it is not ours, or too old."""
    try:
        return PUBLIC.unsign(token, max_age=LIFETIME)
    except BadSignature:
        return None


def attachments(message: Json) -> list[Json]:
    """The file parts that a chat message carries."""
    content = message.get("content")
    return [each["part"] for each in content if each["type"] == "attachment"] if isinstance(content, list) else []


def _bytes(part: Json) -> bytes | None:
    """None if they are gone, or never were any: the conversation goes on without."""
    if part["url"][:5].lower() == "data:":
        try:
            return read_data_url(part["url"])[1]
        except BadInput:
            return None
    file = File.objects.select_related("blob").filter(pk=part["file"]).first() if part.get("file") else None
    if file is None:
        return None
    try:
        return read(file)
    except OSError as error:
        logger.error("the bytes of file %s cannot be read: %s", file.pk, error)
        return None


def name_of(part: Json) -> str:
    """What it is called."""
    return str(part.get("filename") or "without a name")
