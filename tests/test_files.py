"""Files: stored once, served to whoever may see them, told to models, and gone when nothing refers to them."""

import base64
import hashlib
import json
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from agents import services
from agents.agent import Agent
from agents.attachments import sources
from agents.context import messages_for
from agents.generating import generate
from agents.models import RequestLog
from agents.providers.scripted import ScriptedModel, Use
from agents.tasks import prune
from agents.tools import tool
from agents.unsaved import UnsavedRun
from threads.convert import to_part
from threads.copying import clone, fork
from threads.deleting import bring_back, delete_messages, delete_thread, discard, erase_user
from threads.errors import BadInput
from threads.exporting import exported
from threads.files import INLINE_BYTES, clean_name, media_type_of, read, store, vacuum
from threads.models import Blob, File, Message, Run, ShareLink, Thread, ToolCall, User
from threads.saving import parsed, save_messages, update_message
from threads.uploads import UNSENT

ClientOf = Callable[[User], Client]
Ask = Callable[..., tuple[Message, Run]]
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
LARGE = PNG + b"\0" * INLINE_BYTES


def upload(client: Client, data: bytes = PNG, name: str = "cat.png", query: str = "", kind: str = "image/png") -> Any:
    return client.generic("POST", f"/api/files?name={name}{query}", data, content_type=kind)


def uploaded(client: Client, data: bytes = PNG, name: str = "cat.png") -> File:
    answer = upload(client, data, name)
    assert answer.status_code == 201, answer.content
    return File.objects.get(pk=answer.json()["id"])


def age(hours: float = 25) -> None:
    """All files were brought along so long ago."""
    then = timezone.now() - timedelta(hours=hours)
    File.objects.update(touched_at=then)
    Blob.objects.update(touched_at=then)


def on_disk() -> list[str]:
    return sorted(path.name for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())


# --- Bringing one along ----------------------------------------------------------------------------------------------------


def test_the_same_bytes_name_and_type_are_the_same_file(alice: User, bob: User, client_of: ClientOf) -> None:
    first = upload(client_of(alice)).json()
    digest = hashlib.sha256(PNG).hexdigest()
    assert first == {
        "id": first["id"],
        "name": "cat.png",
        "media_type": "image/png",
        "size": len(PNG),
        "sha256": digest,
        "url": f"/api/files/{first['id']}/content",
    }
    assert upload(client_of(bob)).json() == first
    assert upload(client_of(bob), name="dog.png").json()["id"] != first["id"]
    assert on_disk() == [digest]
    assert client_of(alice).get(f"/api/files/{first['id']}").json() == first


def test_a_hash_that_is_given_has_to_be_right(alice: User, client_of: ClientOf) -> None:
    digest = hashlib.sha256(PNG).hexdigest()
    assert upload(client_of(alice), query=f"&sha256={digest.upper()}").status_code == 201
    answer = upload(client_of(alice), b"other", query=f"&sha256={digest}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "sha256")
    assert File.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "data", "kind", "status", "field"),
    [
        ("", PNG, "image/png", 400, "name"),
        ("?name=%20", PNG, "image/png", 400, "name"),
        ("?name=a%00b", PNG, "image/png", 400, "name"),
        (f"?name={'x' * 1001}", PNG, "image/png", 400, "name"),
        ("?name=a", b"", "image/png", 400, "body"),
        ("?name=a", b"a=b", "application/x-www-form-urlencoded", 415, None),
        ("?name=a", b"--x\r\n", "multipart/form-data; boundary=x", 415, None),
        ("?name=a", b"x" * 1_000_001, "text/plain", 413, None),
    ],
)
def test_bad_uploads(alice: User, client_of: ClientOf, settings: Any, query: str, data: bytes, kind: str, status: int, field: Any) -> None:
    settings.MAX_FILE_BYTES = 1_000_000
    answer = client_of(alice).generic("POST", f"/api/files{query}", data, content_type=kind)
    assert (answer.status_code, answer.json()["error"].get("field")) == (status, field)
    assert not File.objects.exists()
    assert on_disk() == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\r\nb.txt", "ab.txt"),
        ("...", "file"),
        ("x" * 300 + ".tar", "x" * 196 + ".tar"),
        ("x" * 300, "x" * 200),
        ("Füße 🦶.png", "Füße 🦶.png"),
    ],
)
def test_names(name: str, kept: str) -> None:
    assert clean_name(name) == kept


@pytest.mark.parametrize(
    ("data", "name", "declared", "found"),
    [
        (PNG, "a.html", "text/html", "image/png"),
        (b"<script>1</script>", "a.png", "image/png", "text/plain"),
        (b"<html>", "a.html", "text/html", "text/plain"),
        (b"<svg xmlns='x'>", "a.txt", "text/plain", "image/svg+xml"),
        (b"a,b\n1,2", "a.csv", "", "text/csv"),
        (b'{"a": 1}', "a.json", "", "application/json"),
        (b"# Title", "README", "text/markdown; charset=utf-8", "text/markdown"),
        (b"a", "a.xml", "application/xml", "text/plain"),
        (b"\0\1\2", "a.txt", "text/plain", "application/octet-stream"),
        (b"%PDF-1.7", "a.txt", "", "application/pdf"),
        ("ä".encode()[:1] + b"\xff", "a.txt", "text/plain", "application/octet-stream"),
    ],
)
def test_types_are_told_by_the_bytes(data: bytes, name: str, declared: str, found: str) -> None:
    assert media_type_of(data, name, declared) == found


def test_what_is_not_sent_has_a_limit(alice: User, client_of: ClientOf, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MAX_FILE_BYTES = 10
    for number in range(UNSENT + 1):
        assert upload(client_of(alice), f"{number:010}".encode(), kind="text/plain").status_code == 201
    assert upload(client_of(alice), b"one more").status_code == 403
    save_messages(Thread.start(alice).pk, [{"content": [file.part for file in File.objects.all()]}])
    assert upload(client_of(alice), b"one more").status_code == 201
    monkeypatch.setattr("threads.uploads.MOST_UNSENT", 1)
    assert upload(client_of(alice), b"and another").status_code == 403


def test_twenty_people_bring_the_same_along_at_once(database: None) -> None:
    people = [User.objects.create_user(f"p{number}") for number in range(20)]
    found = []

    def bring(person: User) -> None:
        found.append(store(LARGE, name="a.png", owner=person))
        connection.close()

    workers = [threading.Thread(target=bring, args=[person]) for person in people]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len({file.pk for file in found}) == 1
    assert set(found[0].owners.all()) == set(people)
    assert read(found[0]) == LARGE
    assert on_disk() == [found[0].blob_id]


def test_what_a_crash_cut_off_is_written_again(database: None) -> None:
    """The row is there before the bytes, and the bytes are told from half of them."""
    with pytest.raises(OSError, match="died"), transaction.atomic():
        file = store(LARGE, name="a.png")
        raise OSError("died")
    assert Blob.objects.get().pk == file.blob_id
    assert not File.objects.exists()
    path = Path(default_storage.path(file.blob.key))
    path.write_bytes(LARGE[:1000])
    assert read(store(LARGE, name="a.png")) == LARGE


# --- Serving ---------------------------------------------------------------------------------------------------------------


def test_pictures_are_shown_and_all_else_is_saved(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    picture = client.get(uploaded(client).url)
    assert (picture.content, picture["Content-Type"], picture["Content-Disposition"]) == (PNG, "image/png", 'inline; filename="cat.png"')
    for data, name in ((b"<svg xmlns='x'><script>1</script></svg>", "a.svg"), (b"<script>1</script>", "a.html"), (b"%PDF-1.7", "ü.pdf")):
        answer = client.get(uploaded(client, data, name).url)
        assert answer["Content-Disposition"].startswith("attachment; filename")
        assert answer["Content-Type"] not in ("text/html", "application/xhtml+xml", "text/xml")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_browser_that_has_it_asks_and_is_told_so(alice: User, client_of: ClientOf, mallory: User) -> None:
    file = uploaded(client_of(alice))
    answer = client_of(alice).get(file.url)
    assert "no-cache" in answer["Cache-Control"]
    again = client_of(alice).get(file.url, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client_of(mallory).get(file.url, headers={"If-None-Match": answer["ETag"]}).status_code == 404


def test_whoever_sees_the_message_sees_the_file(thread: Thread, alice: User, bob: User, mallory: User, client_of: ClientOf) -> None:
    file = uploaded(client_of(alice))
    assert [client_of(who).get(file.url).status_code for who in (alice, bob, mallory)] == [200, 404, 404]
    services.send(alice, thread, "Look", files=[file.part])
    thread.admit(bob, "viewer")
    assert [client_of(who).get(file.url).status_code for who in (alice, bob, mallory)] == [200, 200, 404]
    thread.dismiss(bob.pk)
    assert client_of(bob).get(file.url).status_code == 404
    thread.admit(bob, "viewer")
    discard(thread)
    assert client_of(bob).get(file.url).status_code == 404
    bring_back(thread)
    assert client_of(bob).get(file.url).status_code == 200


def test_nobody_sends_the_files_of_others(thread: Thread, alice: User, mallory: User, client_of: ClientOf) -> None:
    file = uploaded(client_of(alice))
    own = Thread.start(mallory)
    answer = client_of(mallory).post(f"/api/threads/{own.pk}/messages", {"text": "x", "files": [str(file.pk)]}, "application/json")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "files")
    data = {"agentsite": 1, "messages": [{"content": [{**file.part}]}]}
    assert client_of(mallory).post("/api/threads/import", data, "application/json").status_code == 400
    data["messages"] = [{"content": [{"type": "file", "mediaType": "image/png", "url": file.url}]}]
    assert client_of(mallory).post("/api/threads/import", data, "application/json").status_code == 400
    assert not own.messages.exists()
    assert client_of(mallory).get(file.url).status_code == 404


def test_a_tool_cannot_name_the_files_of_others(
    thread: Thread, alice: User, client_of: ClientOf, ask: Ask, offered: Any, fake: Any
) -> None:
    """What a tool returns may be a stranger's words: a part that only claims to be stored refers to nothing."""
    file = store(b"secret words", name="a.txt")
    offered["plain"] = Agent("plain", tools=[tool(name="fetch")(lambda: {"found": file.part})])
    fake.script("[[tool=fetch {}]]", "[[text=Done]]")
    ask("Go")
    assert not ToolCall.objects.get().files.exists()
    assert client_of(alice).get(file.url).status_code == 404
    assert "secret words" not in json.dumps(fake.requests[-1].body)
    save_messages(
        thread.pk,
        [
            {"role": "assistant", "content": [{"type": "tool-call", "id": "1", "tool": "fetch", "arguments": {}}]},
            {"role": "tool", "content": [{"type": "tool-result", "id": "1", "result": file.part}]},
        ],
    )
    ask("And now?")
    assert "secret words" not in json.dumps(fake.requests[-1].body)


def test_a_link_shows_the_files_of_what_it_shows(thread: Thread, alice: User, client_of: ClientOf) -> None:
    file, later = store(PNG, name="a.png"), store(PNG, name="b.png")
    save_messages(thread.pk, [{"content": [file.part]}], author=alice)
    thread.refresh_from_db()
    link, token = ShareLink.objects.issue(thread, alice, None)
    save_messages(thread.pk, [{"content": [later.part]}], author=alice)
    page = Client().get(f"/shared/{token}/").content.decode()
    assert f"/shared/{token}/files/{file.pk}/" in page
    assert str(later.pk) not in page
    answer = Client().get(f"/shared/{token}/files/{file.pk}/")
    assert (answer.content, answer["Referrer-Policy"]) == (PNG, "no-referrer")
    assert Client().get(f"/shared/{token}/files/{later.pk}/").status_code == 404
    link.delete()
    assert Client().get(f"/shared/{token}/files/{file.pk}/").status_code == 404


# --- In messages -----------------------------------------------------------------------------------------------------------


def test_a_message_may_be_files_alone(thread: Thread, alice: User, client_of: ClientOf) -> None:
    Thread.objects.update(title="")
    file = uploaded(client_of(alice))
    body = {"id": str(uuid.uuid4()), "files": [str(file.pk)]}
    first = client_of(alice).post(f"/api/threads/{thread.pk}/messages", body, "application/json")
    assert first.status_code == 202
    assert first.json()["message"]["content"] == [file.part]
    again = client_of(alice).post(f"/api/threads/{thread.pk}/messages", body, "application/json")
    assert again.json()["message"]["id"] == body["id"]
    other = client_of(alice).post(f"/api/threads/{thread.pk}/messages", {**body, "files": [], "text": "x"}, "application/json")
    assert other.status_code == 409
    assert Message.objects.filter(role="user").count() == 1
    thread.refresh_from_db()
    assert thread.title == "cat.png"
    assert list(Message.objects.get(pk=body["id"]).files.all()) == [file]
    empty = client_of(alice).post(f"/api/threads/{thread.pk}/messages", {"text": " "}, "application/json")
    assert (empty.status_code, empty.json()["error"]["field"]) == (400, "text")


def test_a_message_takes_so_many_files(thread: Thread, alice: User, client_of: ClientOf, settings: Any) -> None:
    settings.MAX_FILES = 2
    ids = [str(uploaded(client_of(alice), name=f"{number}.png").pk) for number in range(3)]
    for files, status in ((ids, 400), (ids[:2], 202), ([str(uuid.uuid4())], 400)):
        answer = client_of(alice).post(f"/api/threads/{thread.pk}/messages", {"text": "x", "files": files}, "application/json")
        assert answer.status_code == status, answer.content
        assert status == 202 or answer.json()["error"]["field"] == "files"
    with pytest.raises(BadInput, match="up to 2"):
        services.send(alice, thread, "x", files=[to_part(PNG)] * 3)


def test_bytes_over_64_kib_are_stored_by_themselves(thread: Thread, alice: User) -> None:
    small, large = PNG + b"\0" * (INLINE_BYTES - len(PNG)), LARGE
    assert len(small) == INLINE_BYTES
    plain = {"type": "file", "mediaType": "image/png", "url": "https://example.org/a.png", "filename": ""}
    (row,) = save_messages(thread.pk, [{"content": [to_part(small), to_part(large, filename="b.png"), plain]}])
    one, two, three = row.content
    assert one["url"].startswith("data:image/png;base64,")
    assert "file" not in one
    file = File.objects.get()
    assert (two, read(file)) == (file.part, large)
    assert three == plain
    assert list(row.files.all()) == [file]
    update_message(row, content=[to_part(LARGE + b"2", filename="c.png")])
    assert [each.name for each in row.files.all()] == ["c.png"]
    prompt, _ = services.send(alice, thread, "Look", files=[to_part(large)])
    assert prompt.files.get().blob == file.blob


def test_operators_answer_with_files(thread: Thread, alice: User, client_of: ClientOf) -> None:
    olga = User.objects.create_superuser("olga")
    file = uploaded(client_of(olga))
    answer = client_of(olga).post(f"/api/threads/{thread.pk}/replies", {"text": "Here", "files": [str(file.pk)]}, "application/json")
    assert answer.json()["content"] == [{"type": "text", "text": "Here"}, file.part]
    assert client_of(alice).get(file.url).status_code == 200


def test_other_versions_keep_the_files_or_have_others(thread: Thread, alice: User, client_of: ClientOf, ask: Ask) -> None:
    client = client_of(alice)
    first, second = uploaded(client), uploaded(client, name="dog.png")
    prompt, _ = ask("What is it?", files=[first.part])

    def files_of(**body: Any) -> list[str]:
        answer = client.post(f"/api/threads/{thread.pk}/branches", {"message": str(prompt.pk), **body}, "application/json")
        assert answer.status_code == 202, answer.content
        made = Thread.objects.get(pk=answer.json()["thread"]["id"])
        return [part["filename"] for part in made.messages.get(role="user").file_parts]

    assert files_of() == ["cat.png"]
    assert files_of(text="And now?") == ["cat.png"]
    assert files_of(text="And now?", files=[str(second.pk)]) == ["dog.png"]
    assert files_of(text="And now?", files=[]) == []


def test_copies_refer_to_the_same_files(thread: Thread, alice: User, bob: User, client_of: ClientOf) -> None:
    file, result = store(PNG, name="a.png"), store(PNG, name="b.png")
    save_messages(thread.pk, [{"content": [file.part]}], author=alice)
    (row,) = save_messages(
        thread.pk, [{"role": "assistant", "content": [{"type": "tool-call", "id": "1", "tool": "draw", "arguments": {}}]}]
    )
    ToolCall.objects.get(message=row).files.add(result)
    thread.admit(bob, "viewer")
    copy = fork(thread, bob)
    target = Thread.start(bob)
    clone(thread, target)
    delete_thread(thread)
    for each in (copy, target):
        assert each.messages.get(role="user").files.get() == file
        assert ToolCall.objects.get(thread=each).files.get() == result
    assert [client_of(bob).get(each.url).status_code for each in (file, result)] == [200, 200]
    assert client_of(alice).get(file.url).status_code == 404


# --- Gone ------------------------------------------------------------------------------------------------------------------


def test_what_nothing_refers_to_goes_after_a_day(thread: Thread, alice: User) -> None:
    idle, kept, called = store(PNG, name="a.png", owner=alice), store(b"kept", name="b"), store(b"called", name="c")
    given = store(b"given", name="d")
    (row,) = save_messages(thread.pk, [{"content": [kept.part]}, {"role": "assistant", "content": "Hm"}])[:1]
    _, run = services.send(alice, thread, "Hm")
    assert run
    run.files.add(given)
    call = ToolCall.objects.create(thread=thread, message=row, step=0, index=0, tool="x", arguments_hash="")
    call.files.add(called)
    age(23)
    prune()
    assert File.objects.count() == 4
    age()
    prune()
    assert set(File.objects.all()) == {kept, called, given}
    assert idle.blob_id not in on_disk()
    services.stop(run)
    delete_messages(thread.pk, [row.pk])
    prune()
    assert not File.objects.exists()
    assert not Blob.objects.exists()
    assert on_disk() == []


def test_bytes_stay_as_long_as_another_name_has_them(thread: Thread) -> None:
    kept = store(PNG, name="a.png")
    store(PNG, name="b.png")
    save_messages(thread.pk, [{"content": [kept.part]}])
    age()
    assert vacuum() == 1
    assert read(kept) == PNG


def test_what_is_brought_along_again_stays(alice: User) -> None:
    file = store(PNG, name="a.png")
    age()
    store(PNG, name="a.png", owner=alice)
    assert vacuum() == 0
    assert read(file) == PNG


def test_the_vacuum_waits_for_nobody_and_takes_nothing_that_is_being_brought(alice: User) -> None:
    """Somebody sends an old file while the vacuum runs: it is locked, so it is left alone."""
    file = store(PNG, name="a.png", owner=alice)
    age()
    counts = []

    def clean() -> None:
        counts.append(vacuum())
        connection.close()

    with transaction.atomic():
        File.objects.filter(pk=file.pk).update(touched_at=timezone.now())
        cleaner = threading.Thread(target=clean)
        cleaner.start()
        cleaner.join(10)
        assert counts == [0]
    assert read(file) == PNG


def test_bytes_without_a_file_go_too(database: None) -> None:
    """A process died between announcing the bytes and naming them."""
    with pytest.raises(OSError, match="died"), transaction.atomic():
        store(PNG, name="a.png")
        raise OSError("died")
    assert vacuum() == 0
    assert len(on_disk()) == 1
    age()
    vacuum()
    assert on_disk() == []
    assert not Blob.objects.exists()


def test_leaving_one_out(alice: User, bob: User, thread: Thread, client_of: ClientOf) -> None:
    file = uploaded(client_of(alice))
    uploaded(client_of(bob))
    assert client_of(alice).delete(f"/api/files/{file.pk}").status_code == 204
    assert client_of(alice).get(file.url).status_code == 404
    assert client_of(alice).delete(f"/api/files/{file.pk}").status_code == 404
    assert client_of(bob).get(file.url).status_code == 200


def test_erasing_somebody_leaves_none_of_their_files(alice: User, bob: User, thread: Thread) -> None:
    shared = store(b"both", name="both", owner=alice)
    shared.owners.add(bob)
    store(b"alone", name="alone", owner=alice)
    save_messages(thread.pk, [{"content": [to_part(LARGE)]}])
    other = Thread.start(bob)
    kept = store(b"kept", name="kept", owner=alice)
    save_messages(other.pk, [{"role": "assistant", "content": [kept.part]}])
    erase_user(alice)
    assert set(File.objects.all()) == {shared, kept}
    assert on_disk() == sorted([shared.blob_id, kept.blob_id])


# --- Out and in again ------------------------------------------------------------------------------------------------------


def test_files_are_taken_out_and_brought_in(thread: Thread, alice: User, bob: User, client_of: ClientOf, monkeypatch: Any) -> None:
    save_messages(thread.pk, [{"content": [{"type": "text", "text": "Look"}, to_part(LARGE, filename="a.png")]}], author=alice)
    data = exported(thread)
    delete_thread(thread)
    age()
    vacuum()
    made = client_of(bob).post("/api/threads/import", data, "application/json")
    assert made.status_code == 201, made.content
    (thread_row,) = made.json()["threads"]
    file = Message.objects.get(thread=thread_row["id"]).files.get()
    assert (file.name, read(file)) == ("a.png", LARGE)
    monkeypatch.setattr("threads.exporting.MOST_FILE_BYTES", 10)
    (message,) = exported(Thread.objects.get(pk=thread_row["id"]))["messages"]
    assert [part["type"] for part in message["content"]] == ["text", "text"]
    assert "too large" in message["content"][1]["text"]


# --- What models see -------------------------------------------------------------------------------------------------------


def sent(fake: Any, at: int = -1) -> Any:
    """What was told as the last thing that a person said."""
    return next(m["content"] for m in reversed(fake.requests[at].body["messages"]) if m["role"] == "user")


def test_models_are_sent_the_bytes(ask: Ask, fake: Any) -> None:
    pdf, sound = b"%PDF-1.7 x", b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 20
    files = [store(data, name=name).part for data, name in ((PNG, "a.png"), (pdf, "b.pdf"), (sound, "c.wav"))]
    files += [store(b"a,b\n1,2", name="d.csv").part, store(b"\0\1", name="e.bin").part, to_part(PNG, filename="small.png")]
    files += [
        to_part("https://example.org/far.png", media_type="image/png"),
        to_part("https://example.org/far.pdf", media_type="application/pdf"),
    ]
    _, run = ask("What is it?", files=files)
    assert run.status == "succeeded"
    inline = lambda kind, data: f"data:{kind};base64,{base64.b64encode(data).decode()}"  # noqa: E731
    assert sent(fake) == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": inline("image/png", PNG)}},
        {"type": "file", "file": {"filename": "b.pdf", "file_data": inline("application/pdf", pdf)}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(sound).decode(), "format": "wav"}},
        {"type": "text", "text": "The file d.csv:\n<file>\na,b\n1,2\n</file>"},
        {"type": "text", "text": "[A file is attached: e.bin, application/octet-stream]"},
        {"type": "image_url", "image_url": {"url": inline("image/png", PNG)}},
        {"type": "image_url", "image_url": {"url": "https://example.org/far.png"}},
        {"type": "text", "text": "[A file is attached: without a name, application/pdf, at https://example.org/far.pdf]"},
    ]
    ask("And now?")
    assert any(
        part["type"] == "image_url" for m in fake.requests[-1].body["messages"] if isinstance(m["content"], list) for part in m["content"]
    )


def test_words_alone_stay_a_string(ask: Ask, fake: Any) -> None:
    """Not every server reads lists."""
    ask("Look", files=[store(b"hello", name="a.txt").part])
    assert sent(fake) == "Look\n\nThe file a.txt:\n<file>\nhello\n</file>"


def test_a_model_that_takes_no_files_is_told_of_them(ask: Ask, fake: Any) -> None:
    """Else the picture would fail this prompt and every later one."""
    fake.script("[[fault=no_files]]", "[[text=Sorry]]")
    _, run = ask("What is it?", files=[store(PNG, name="a.png").part])
    assert run.status == "succeeded"
    assert sent(fake) == "What is it?\n\n[A file is attached: a.png, image/png. The model cannot be shown it]"
    fake.script("[[fault=no_files]]", "[[text=Fine]]")
    _, run = ask("And now?")
    assert run.status == "succeeded"


def test_lost_bytes_do_not_poison_a_thread(ask: Ask, fake: Any) -> None:
    files = [store(PNG, name="a.png"), store(b"hello", name="b.txt")]
    for file in files:
        default_storage.delete(file.blob.key)
    _, run = ask("What is it?", files=[file.part for file in files])
    assert run.status == "succeeded"
    assert sent(fake) == "What is it?\n\n[A file is attached: a.png, image/png]\n\n[A file is attached: b.txt, text/plain]"


def test_a_broken_data_url_does_not_poison_a_thread(ask: Ask, fake: Any) -> None:
    _, run = ask("What is it?", files=[{"type": "file", "mediaType": "text/plain", "url": "data:text/plain;base64,!", "filename": "a.txt"}])
    assert run.status == "succeeded"
    assert sent(fake) == "What is it?\n\n[A file is attached: a.txt, text/plain]"


def test_a_model_gets_the_newest_up_to_a_size(ask: Ask, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.attachments.MOST_BYTES", int(len(LARGE) * 1.5))
    ask("One", files=[store(LARGE + b"1", name="a.png").part])
    ask("Two", files=[store(LARGE + b"2", name="b.png").part])
    texts = json.dumps(fake.requests[-1].body["messages"])
    assert "[A file is attached: a.png" in texts
    assert texts.count('"image_url"}') + texts.count('"type": "image_url"') == 1


def test_pictures_have_room_by_what_they_take_not_by_their_bytes(ask: Ask, fake: Any, settings: Any) -> None:
    settings.CONTEXT_TOKENS = 6000
    ask("Look", files=[store(PNG + b"\0" * 1_000_000, name="a.png").part])
    assert sent(fake)[1]["type"] == "image_url"
    ask("Look", files=[store(PNG + bytes([number]), name=f"{number}.png").part for number in range(10)])
    kinds = [part["type"] for part in sent(fake)] if isinstance(sent(fake), list) else ["text"]
    assert kinds == ["text"], "ten pictures do not fit, and are named"


def test_long_texts_are_shortened(ask: Ask, fake: Any, settings: Any) -> None:
    settings.CONTEXT_TOKENS = 6000
    _, run = ask("Look", files=[store(b"word " * 100_000, name="a.txt").part])
    assert run.status == "succeeded"
    assert len(sent(fake)) < 18_000
    assert "left out" in sent(fake)


def test_with_a_public_address_pictures_are_fetched(ask: Ask, fake: Any, settings: Any, mallory: User, client_of: ClientOf) -> None:
    settings.PUBLIC_URL = "https://example.org"
    file = store(PNG, name="a.png")
    ask("Look", files=[file.part, store(b"%PDF-1.7", name="b.pdf").part])
    _, picture, pdf = sent(fake)
    assert pdf["file"]["file_data"].startswith("data:application/pdf;base64,")
    url = picture["image_url"]["url"]
    assert url.startswith("https://example.org/public-files/")
    path = url.removeprefix("https://example.org")
    assert Client().get(path).content == PNG
    assert Client().get(path[:-2] + "x/").status_code == 404
    assert Client().get(f"/public-files/{file.pk}/").status_code == 404


def test_a_public_address_ends(settings: Any, database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PUBLIC_URL = "https://example.org"
    file = store(PNG, name="a.png")
    (url,) = sources([{"role": "user", "content": [{"type": "attachment", "part": file.part}]}]).values()
    path = url.removeprefix("https://example.org")
    assert Client().get(path).status_code == 200
    monkeypatch.setattr("agents.attachments.LIFETIME", -1)
    assert Client().get(path).status_code == 404


def test_tools_return_files(ask: Ask, fake: Any, offered: Any, alice: User, client_of: ClientOf, thread: Thread) -> None:
    @tool()
    def draw(what: str) -> Any:
        """Draw something."""
        return {"small": to_part(PNG, filename="s.png"), "large": LARGE, "own": store(b"%PDF-1.7", name="o.pdf"), "what": what}

    offered["plain"] = Agent("plain", tools=[draw])
    fake.script('[[tool=draw {"what":"cat"}]]', "[[text=Done]]")
    _, run = ask("Draw a cat")
    assert run.status == "succeeded"
    call = ToolCall.objects.get()
    assert call.result["what"] == "cat"
    assert call.result["small"]["url"].startswith("data:")
    assert {str(file.pk) for file in call.files.all()} == {call.result[name]["file"] for name in ("large", "own")}
    assert client_of(alice).get(call.result["large"]["url"]).content == LARGE
    *_, asked, told, shown = fake.requests[-1].body["messages"]
    assert asked["role"] == "assistant"
    assert json.loads(told["content"])["small"] == "[A file is attached: s.png, image/png]"
    assert shown["content"][0]["text"] == "The files of these results: o.pdf, file, s.png"
    assert [part["type"] for part in shown["content"]] == ["text", "file", "image_url", "image_url"]
    assert "of" not in shown
    ask("Another one?")  # as history
    assert sum(isinstance(m["content"], list) for m in fake.requests[-1].body["messages"] if m.get("content")) == 1


def test_files_in_answers_that_are_not_saved(database: None) -> None:
    agent = Agent("painter", tools=[tool(name="draw")(lambda: LARGE)])
    with ScriptedModel(Use("draw", {}), "Done") as model:
        answer = generate(agent, [{"content": [to_part(PNG, filename="a.png")]}])
    assert answer.text == "Done"
    first, last = model.requests
    assert [part["type"] for part in first.messages[-1]["content"]] == ["attachment"]
    assert last.messages[-1]["content"][1]["part"]["size"] == len(LARGE)
    assert len(last.sources) == 1
    assert not ToolCall.objects.exists()


def test_a_call_may_bring_files_that_are_not_saved_with_it(thread: Thread, alice: User) -> None:
    with ScriptedModel("A cat", "A dog") as model:
        generate(Agent("plain"), "Which is it?", thread=thread, user=alice, messages=[{"content": [to_part(LARGE, filename="a.png")]}])
        run = Run.objects.get()
        assert run.files.get().name == "a.png"
        generate(
            Agent("plain"),
            [{"content": [to_part(LARGE, filename="b.png")]}],
            thread=thread,
            prompt_message=thread.messages.get(role="user"),
        )
    assert [
        part["filename"] for m in model.requests[0].messages if isinstance(m["content"], list) for part in [m["content"][0]["part"]]
    ] == ["a.png"]
    (told,) = [message["content"] for message in model.requests[1].messages if isinstance(message["content"], list)]
    assert told[-1]["part"]["filename"] == "b.png"


def test_the_log_of_requests_has_no_bytes(ask: Ask, offered: Any) -> None:
    offered["plain"] = Agent("plain", log_requests=True)
    ask("Look", files=[store(LARGE, name="a.png").part])
    logged = json.dumps(RequestLog.objects.get().request)
    assert len(logged) < 5000
    assert "characters of base64" in logged


def test_agents_know_what_others_attached(thread: Thread, alice: User) -> None:
    """What an agent or an operator sent is named; servers take files from users only."""
    save_messages(
        thread.pk, ["Hello", {"role": "assistant", "content": [{"type": "text", "text": "Here"}, to_part(PNG, filename="a.png")]}]
    )
    run = UnsavedRun("plain", alice, parsed(["And now?"]), thread)
    told = messages_for(run, Agent("plain")).messages
    assert {"role": "assistant", "content": "Here\n\n[A file is attached: a.png, image/png]"} in told
