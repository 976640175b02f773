"""Files over HTTP: bringing one along, and getting its bytes. Whoever may see what refers to a file may see the file."""

from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.core.files import File as Content
from django.core.files.storage import default_storage
from django.db.models import Count, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import content_disposition_header
from django.utils.translation import gettext
from ninja import Router, Status
from ninja.errors import HttpError

from threads.access import SignedRequest, is_operator, is_tester, require_scope
from threads.errors import BadInput, Forbidden
from threads.files import store
from threads.models import File, User
from threads.shapes import FileRow
from threads.storable import is_storable

router = Router()
CHUNK = 65_536
# What one may have lying about that one has not sent: in files of the greatest size, and in files.
UNSENT, MOST_UNSENT = 50, 500
# What a browser may show by itself. An SVG picture is a document with scripts.
SHOWN = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"}
# For the API's document.
BYTES = {"type": "string", "format": "binary"}
UNCHANGED = {"description": "The bytes are those of `If-None-Match`."}
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


@router.post(
    "/files",
    response={201: Any},
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": BYTES}}}},
)
def upload(request: SignedRequest, name: str, sha256: str = "") -> Status[FileRow]:
    """Bring a file along: its bytes are the body of the request, of any content type but those of forms. Send its `id` with a message
    within a day; what is in no message by then is deleted. `sha256`, if it is given, has to be that of the bytes."""
    require_scope(request.user, "write")
    if request.content_type in FORMS:
        raise HttpError(415, gettext("Send the bytes of the file as the body of the request."))
    if not name.strip() or len(name) > 1000 or not is_storable(name):
        raise BadInput("name", gettext("Give the file a name of up to 1,000 characters."))
    _require_room(request.user)
    with TemporaryFile() as body:
        _receive(request, body)
        file = store(Content(body), name=name, media_type=request.content_type or "", owner=request.user, sha256=sha256)
    return Status(201, file_row(file))


def _require_room(user: User) -> None:
    waiting = user.files.filter(messages=None).aggregate(size=Sum("blob__size", default=0), number=Count("pk"))
    if waiting["size"] > UNSENT * settings.MAX_FILE_BYTES or waiting["number"] >= MOST_UNSENT:
        raise Forbidden(gettext("You have brought along a lot that is in no message. Send it, or try again tomorrow."))


def _receive(request: HttpRequest, body: "IO[bytes]") -> None:
    """The request's bytes; HttpError if there are none, or too many."""
    size = 0
    while chunk := request.read(CHUNK):
        size += len(chunk)
        if size > settings.MAX_FILE_BYTES:
            raise HttpError(413, gettext("The file is larger than %(size)s MB.") % {"size": settings.MAX_FILE_BYTES // 1_000_000})
        body.write(chunk)
    if not size:
        raise BadInput("body", gettext("The file is empty."))


@router.get("/files/{uuid:file_id}")
def about(request: SignedRequest, file_id: UUID) -> FileRow:
    """Name, type, size and hash of a file."""
    return file_row(file_for(request.user, file_id))


@router.get("/files/{uuid:file_id}/content", openapi_extra={"responses": {200: {"content": {"*/*": {"schema": BYTES}}}, 304: UNCHANGED}})
def content(request: SignedRequest, file_id: UUID) -> HttpResponse:
    """The bytes of a file. Browsers show pictures, and save anything else."""
    return served(request, file_for(request.user, file_id))


@router.delete("/files/{uuid:file_id}", response={204: None})
def leave(request: SignedRequest, file_id: UUID) -> Status[None]:
    """Not to have brought a file along. Messages that it is in keep it."""
    require_scope(request.user, "write")
    file = request.user.files.filter(pk=file_id).first()
    if file is None:
        raise Http404("There is no such file of yours.")
    file.owners.remove(request.user)
    return Status(204, None)


def file_for(user: User, file_id: UUID) -> File:
    """The file, if the user brought it along or may see what refers to it (else Http404)."""
    require_scope(user, "view")
    files = File.objects.select_related("blob")
    file = files.visible_to(user).filter(pk=file_id).first()
    if file is None and (is_operator(user) or is_tester(user)):
        file = files.in_threads().filter(pk=file_id).first()
    if file is None:
        raise Http404("There is no such file.")
    return file


def served(request: HttpRequest, file: File) -> HttpResponse:
    """The bytes, so that nothing in them is run: as a picture, or to be saved; a browser that has them is told so."""
    etag = f'"{file.blob_id}"'
    if request.headers.get("If-None-Match") == etag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        with default_storage.open(file.blob.key) as stored:
            response = HttpResponse(stored.read(), content_type=file.media_type)
        response["Content-Disposition"] = content_disposition_header(file.media_type not in SHOWN, file.name) or "attachment"
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"  # kept, but asked for each time: who was removed sees nothing any more
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def file_row(file: File) -> FileRow:
    """A file as programs see it."""
    return {
        "id": str(file.pk),
        "name": file.name,
        "media_type": file.media_type,
        "size": file.blob.size,
        "sha256": file.blob_id,
        "url": file.url,
    }
