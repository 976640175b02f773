"""Keeping files: stored once by their hash, found by whoever may see them, deleted when nothing has referred to them for a day.

to_part(bytes) in any message or tool result is enough: what is larger than 64 KiB is stored by `stored` and `with_files_stored`.
"""

import hashlib
import mimetypes
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard
from uuid import UUID

from django.conf import settings
from django.core.files import File as Content
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from threads.connections import connect
from threads.convert import guess_media_type, read_data_url, to_part
from threads.errors import BadInput
from threads.models import Blob, File, User
from threads.models.file import GRACE, FileQuerySet
from threads.schemas import FilePart, NewMessage
from threads.storable import storable

Json = dict[str, Any]
# Larger ones are stored by themselves; smaller ones stay in their message.
INLINE_BYTES = 65_536
AT_ONCE = 1000
# Types that are told apart by their name only. Of text nothing is kept that a browser would run.
TEXTS = re.compile(r"text/(?!html|xml)[\w.+-]+|application/(json|toml|yaml|x-yaml|sql)")
# Control characters, and those that turn the direction of writing: `photo<202E>gpj.exe` reads as a picture.
TRICKS = re.compile("[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def store(data: "bytes | Content[bytes]", *, name: str = "", media_type: str = "", owner: User | None = None, sha256: str = "") -> File:
    """Store bytes, once for all who bring them along, and return the file; the same bytes, name and type are the same file.

    `media_type` is believed only where the bytes do not tell. Raises BadInput naming `sha256` if that is not the bytes' hash.
    """
    content = ContentFile(data) if isinstance(data, bytes) else data
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    found = digest.hexdigest()
    if sha256 and sha256.lower() != found:
        raise BadInput("sha256", gettext("The file arrived with another hash than that."))
    content.seek(0)
    name = clean_name(name)
    media_type = media_type_of(content.read(8192), name, media_type)
    _announce(found, content.size)
    with transaction.atomic():
        blob = Blob.objects.select_for_update().get(pk=found)
        _write(blob, content)
        file, is_new = File.objects.get_or_create(blob=blob, name=name, media_type=media_type)
        if not is_new:
            File.objects.filter(pk=file.pk).update(touched_at=Now())
        if owner is not None:
            file.owners.add(owner)
    return file


def _announce(sha256: str, size: int) -> None:
    """In a connection of its own: if the caller's transaction is rolled back, the vacuum still knows what was written."""
    insert = """INSERT INTO threads_blob (sha256, size) VALUES (%s, %s) ON CONFLICT (sha256) DO UPDATE SET touched_at = now()"""
    with connect(autocommit=True) as connection:
        connection.execute(insert, [sha256, size])


def _write(blob: Blob, content: "Content[bytes]") -> None:
    """With its row locked. What is there with another size was cut off by a crash."""
    if default_storage.exists(blob.key):
        if default_storage.size(blob.key) == blob.size:
            return
        default_storage.delete(blob.key)
    content.seek(0)
    default_storage.save(blob.key, content)


def read(file: File) -> bytes:
    """The bytes."""
    with default_storage.open(file.blob.key) as content:
        return bytes(content.read())


def clean_name(name: str) -> str:
    """A name without folders and tricks, of up to 200 characters, its ending kept; `file` if nothing is left."""
    name = TRICKS.sub("", storable(name.replace("\\", "/").rpartition("/")[2])).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if dot and len(name) > 200 and len(ending) < 20:
        return f"{stem[: 199 - len(ending)]}.{ending}"
    return name[:200] or "file"


def media_type_of(begin: bytes, name: str, declared: str) -> str:
    """By the bytes; for text by its name or what it was said to be, as long as no browser would run it."""
    guessed = guess_media_type(begin)
    if guessed != "text/plain":
        return guessed[:100]
    for named in (mimetypes.guess_type(name)[0] or "", declared.partition(";")[0].strip().lower()):
        if TEXTS.fullmatch(named) and len(named) <= 100:
            return named
    return guessed


def attached(user: User, ids: Sequence[UUID]) -> list[Json]:
    """The files of these ids as parts for a message. They must be the user's to see; BadInput names `files`."""
    if len(ids) > settings.MAX_FILES:
        raise BadInput("files", gettext("A message takes up to %(number)s files.") % {"number": settings.MAX_FILES})
    found = {file.pk: file for file in File.objects.visible_to(user).filter(pk__in=ids).select_related("blob")}
    # From now on the vacuum leaves them alone for a day; it may just have been at one.
    kept = File.objects.filter(pk__in=found).update(touched_at=Now())
    if kept < len(set(ids)):
        raise BadInput("files", gettext("A file is not there any more. Attach it again."))
    return [found[pk].part for pk in dict.fromkeys(ids)]


def stored(messages: Iterable[NewMessage]) -> list[NewMessage]:
    """The same messages, their large files stored."""
    return [_with_stored(message) for message in messages]


def _with_stored(message: NewMessage) -> NewMessage:
    if not any(_is_large(part) for part in message.content):
        return message
    return message.model_copy(update={"content": [_stored_part(part) if _is_large(part) else part for part in message.content]})


def _is_large(part: Any) -> TypeGuard[FilePart]:
    # A third more than the bytes is the least that base64 takes.
    return isinstance(part, FilePart) and part.url[:5].lower() == "data:" and len(part.url) * 3 / 4 > INLINE_BYTES


def _stored_part(part: FilePart) -> FilePart:
    data = read_data_url(part.url)[1]
    return FilePart(**store(data, name=part.filename, media_type=part.media_type).part) if len(data) > INLINE_BYTES else part


def with_files_stored(value: Any, kept: set[str]) -> Any:
    """A tool's result with all bytes and Files in it as file parts, the large ones stored; the ids of what is stored go into `kept`.

    A part that only claims to be stored is none of ours: whoever wrote the result could name the files of others.
    """
    if isinstance(value, bytes | Content):
        value = to_part(value)
    if isinstance(value, File):
        kept.add(str(value.pk))
        return value.part
    if is_part(value) and _is_large(part := FilePart(**{name: value[name] for name in ("mediaType", "url", "filename") if name in value})):
        part = _stored_part(part)
        kept |= {part.file} if part.file else set()
        return part.model_dump(by_alias=True)
    if isinstance(value, dict):
        return {key: with_files_stored(each, kept) for key, each in value.items()}
    return [with_files_stored(each, kept) for each in value] if isinstance(value, list | tuple) else value


def files_in(value: Any) -> list[Json]:
    """The file parts in some JSON, wherever they are."""
    if is_part(value):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [part for each in inner for part in files_in(each)]


def is_part(value: Any) -> bool:
    """Whether it is a file part of `to_part`, wherever it stands."""
    return isinstance(value, dict) and value.get("type") == "file" and all(isinstance(value.get(key), str) for key in ("mediaType", "url"))


def vacuum(files: FileQuerySet | None = None) -> int:
    """Delete files that are forgotten (or the ones given), and then the bytes that no file is left of; says how many files went."""
    doomed = File.objects.forgotten() if files is None else files
    with transaction.atomic():
        # Again after the lock: somebody may have brought one along meanwhile.
        locked = File.objects.filter(pk__in=list(doomed.values_list("pk", flat=True)[:AT_ONCE])).select_for_update(skip_locked=True)
        gone = doomed.filter(pk__in=[file.pk for file in locked])
        blobs = list(gone.values_list("blob_id", flat=True))
        count = gone.delete()[1].get("threads.File", 0)
    idle = Blob.objects.filter(files=None)
    for blob in idle.filter(pk__in=blobs) if files is not None else idle.filter(touched_at__lt=timezone.now() - GRACE)[:AT_ONCE]:
        _drop(blob)
    return count


def _drop(blob: Blob) -> None:
    """The bytes first: if we die in between, the row is still there for the next time."""
    with transaction.atomic():
        locked = Blob.objects.select_for_update().filter(pk=blob.pk).first()
        if locked and not locked.files.exists():
            default_storage.delete(blob.key)
            locked.delete()
