"""Writes hostile texts into every row that some page shows: `python -m tests.hostile_rows` in a site's environment.

Prints what a test has to know of them as JSON. Nothing here goes through forms or the API: what they would refuse has to be harmless too.
"""

import json
import os
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import cycle
from typing import Any
from uuid import uuid4

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentsite.settings")
django.setup()

from django.contrib import admin  # noqa: E402  (apps have to be loaded first)
from django.contrib.admin.models import CHANGE, LogEntry  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.utils import timezone  # noqa: E402

from agents.models import RequestLog, RoutingSample  # noqa: E402
from agentsite.samples.models import Task  # noqa: E402
from billing.models import (  # noqa: E402
    Account,
    Alert,
    Allowance,
    Billed,
    BookedValue,
    Budget,
    Credit,
    CreditNote,
    CreditUse,
    Invoice,
    InvoiceEvent,
    InvoiceLine,
    Limit,
    Payment,
    Plan,
    Price,
    Reservation,
    Series,
    Spending,
    TaxRate,
    UsageRecord,
    WebhookEvent,
)
from tests.hostile import NAMES, packs, payloads  # noqa: E402
from tests.site import PASSWORD  # noqa: E402
from threads.models import (  # noqa: E402
    ApiKey,
    Blob,
    Chunk,
    Delta,
    Embedding,
    Feedback,
    File,
    InternalNote,
    Memory,
    Message,
    Process,
    Run,
    ShareLink,
    Thread,
    ThreadMember,
    Tombstone,
    ToolCall,
    User,
)

GROUP = 25
MONTH = date(2026, 1, 1)
STATES = ["succeeded", "running", "failed", "denied", "requested", "awaiting_approval", "approved", "unknown", "expired"]
Json = dict[str, Any]


def groups() -> Iterator[list[str]]:
    """The payloads, so many at a time."""
    for start in range(0, len(payloads()), GROUP):
        yield payloads()[start : start + GROUP]


def by_name(texts: list[str]) -> Json:
    """Arguments as a model may write them: names that mean something to a browser among them."""
    return {text: [text, {text: text}] for text in texts} | {name: {name: texts[0]} for name in NAMES}


def make_people() -> tuple[User, list[User]]:
    """Who looks (and may see everything), and those that are looked at: by their username, or by first and last name."""
    names = packs(150)
    root = User.objects.create_superuser("hostile-root", password=PASSWORD, first_name=names[0], last_name=names[1])
    User.objects.create_user("hostile-reader", password=PASSWORD)
    rows = [User(username=name, first_name=names[i - 1] if i % 2 else "", last_name=name if i % 2 else "") for i, name in enumerate(names)]
    for row in rows:
        row.email, row.language, row.time_zone, row.preferences = (
            row.username[:254],
            row.username[:16],
            row.username[:64],
            {row.username: 1},
        )
    return root, User.objects.bulk_create(rows)


class Writer:
    """Fills threads of one person."""

    def __init__(self, root: User, people: list[User]) -> None:
        self.root, self.people = root, people
        self.names = cycle(packs(100))

    def thread(self, title: str, owner: User | None = None) -> Thread:
        """A thread with something in all its columns."""
        everything = "\n".join(payloads())
        about = {"summary": everything, "metadata": by_name(payloads()), "options": {"instructions": everything}}
        return Thread.start(owner or self.root, title=title, default_agent=next(self.names), **about)

    def message(self, thread: Thread, **columns: Any) -> Message:
        """A row in a turn of its own."""
        order, step = thread.next_turn()
        thread.save()
        facts = {
            "provider": "<b>provider</b>",
            "model": payloads()[order % len(payloads())][:200],
            "provider_metadata": by_name(payloads()[:GROUP]),
        }
        return Message.objects.create(thread=thread, order=order, step_order=step, **facts, **columns)

    def run(self, thread: Thread, status: str = "succeeded", **columns: Any) -> Run:
        """A run by an agent of a hostile name."""
        now = timezone.now()
        times = {"started_at": now, "ended_at": None if status == "running" else now}
        about = {"agent": next(self.names), "worker": next(self.names), "requested_by": self.root, "options": by_name(payloads()[:GROUP])}
        return Run.objects.create(thread=thread, order=thread.last_order, status=status, **times, **about, **columns)

    def said(self) -> Thread:
        """What people said and what agents answered and thought; members by the dozen."""
        thread = self.thread("said")
        for texts, author in zip(groups(), cycle(self.people), strict=False):
            self.message(thread, role="user", author=author, content=[{"type": "text", "text": "\n".join(texts)}])
            parts = [{"type": kind, "text": text} for text in texts for kind in ("reasoning", "text")]
            self.message(thread, role="assistant", run=self.run(thread), agent_name=next(self.names), content=parts)
        ThreadMember.objects.bulk_create(ThreadMember(thread=thread, user=person, role="viewer") for person in self.people)
        return thread

    def tools(self) -> Thread:
        """Calls of tools of any name in each state, what they gave, and runs that failed of it."""
        thread = self.thread("tools")
        for texts in groups():
            run = self.run(thread, "failed", error={"kind": texts[0], "message": " ".join(texts), "retryable": True})
            row = self.message(thread, role="assistant", run=run, is_tool=True)
            calls = [self.call(row, index, text, STATES[index % len(STATES)], texts) for index, text in enumerate(texts)]
            data = [{"type": "data", "name": text, "id": text, "data": by_name([text])} for text in texts]
            row.content = [{"type": "tool-call", "tool_call": str(call.pk), "tool": call.tool} for call in calls] + data
            row.save()
        return thread

    def files(self) -> Thread:
        """Files of any name, type and address, in what people say and what tools give."""
        thread = self.thread("files")
        for n, text in enumerate(payloads()):
            url = [
                text,
                f"javascript:{text}",
                f"data:text/html,{text}",
                f"https://{text}",
                f"data:image/{['svg+xml', 'png'][n % 2]},{text}",
            ][n % 5]
            kind = "image/png" if n % 2 else text
            part = {"type": "file", "mediaType": kind, "filename": text, "url": url, "size": n}
            self.message(thread, role=["user", "assistant"][n % 3 == 0], run=self.run(thread), content=[part])
            if n % 40 == 0:
                row = self.message(thread, role="assistant", run=self.run(thread), is_tool=True)
                call = self.call(row, 0, text, "succeeded", [text])
                call.result = {text: [part]}
                call.save()
                row.content = [{"type": "tool-call", "tool_call": str(call.pk), "tool": call.tool}]
                row.save()
        return thread

    def call(self, row: Message, index: int, name: str, status: str, texts: list[str]) -> ToolCall:
        """One call; what it tells in its state holds all the `texts`."""
        # So many that each state has all texts once; more would only make the page slow.
        texts = texts if index < len(STATES) else [name]
        told: Json = {"progress": {"text": " ".join(texts), "fraction": 0.5}, "reason": "\n".join(texts) if status == "denied" else ""}
        told |= {"result": by_name(texts), "error": {"kind": name, "message": "\n".join(texts)} if status == "failed" else None}
        told["started_at"] = told["ended_at"] = timezone.now()
        if status == "running":
            told["ended_at"] = None
        place = {"thread": row.thread, "run": row.run, "message": row, "step": 0, "index": index, "provider_call_id": name[:200]}
        arguments = {"question": name} | by_name(texts)
        return ToolCall.objects.create(**place, tool=name[:100], status=status, arguments=arguments, arguments_hash=name[:64], **told)

    def live(self) -> Thread:
        """An answer that is being written: texts, thoughts, data and half a call's arguments. No worker has it."""
        thread = self.thread("live")
        thread.assigned_to = self.people[0]
        prompt = self.message(thread, role="user", author=self.people[1], content=[{"type": "text", "text": "Go on."}])
        lease = timezone.now() + timedelta(days=1)
        run = self.run(thread, "running", prompt=prompt, attempt=1, lease_until=lease)
        parts = [part for number, text in enumerate(payloads()) for part in streamed(str(number), text)]
        Delta.objects.create(run=run, attempt=1, step=0, start=0, end=len(parts), parts=parts)
        return thread

    def titled(self) -> list[Json]:
        """Threads of all titles, and a memory, a task and a sample of each."""
        titles = packs(200)
        Memory.objects.bulk_create(Memory(user=self.root, text=text) for text in packs(500))
        noted = Thread.start(self.root)
        InternalNote.objects.bulk_create(InternalNote(thread=noted, author=self.root, text=text) for text in packs(5000))
        rated = Message.objects.exclude(content=[])[: len(packs(2000))]
        Feedback.objects.bulk_create(
            Feedback(user=self.root, message=message, value=1, comment=text) for message, text in zip(rated, packs(2000), strict=False)
        )
        blob = Blob.objects.create(sha256="0" * 64, size=1)
        named = [File(blob=blob, name=text, media_type=text[:100]) for text in packs(200)]
        File.objects.bulk_create(named)
        Task.objects.bulk_create(Task(user=self.root, title=title) for title in titles)
        RoutingSample.objects.bulk_create(RoutingSample(question=text, answered_by=next(self.names)) for text in packs(2000))
        Group.objects.bulk_create(Group(name=text) for text in packs(150))
        return [{"id": str(Thread.start(self.root, title=title).pk), "title": title} for title in titles]

    def records(self, run: Run) -> None:
        """What operators read."""
        about = {"thread": run.thread, "user": self.root, "run_id": run.pk, "attempt": 1, "seconds": 1.0}
        for step, texts in enumerate(groups()):
            both = {"request": by_name(texts), "response": by_name(texts), "error": "\n".join(texts), "agent": next(self.names)}
            RequestLog.objects.create(step=step, **both, **about)
            what = {"kind": "model", "agent": next(self.names), "provider": next(self.names), "model": next(self.names)}
            UsageRecord.objects.create(
                run_id=uuid4(), attempt=1, step=step, labels=by_name(texts), user_id=self.root.pk, output_text=1, **what
            )
            Tombstone.objects.create(thread=run.thread, version=step, kind=texts[0][:16], row_id=uuid4())
        now = timezone.now()
        for n, text in enumerate(packs(50)):
            Limit.objects.create(name=text, kind="window", rate=1, period=1, capacity=1, enabled=False)
            account = Account.objects.create(pk=uuid4(), name=text, address=text, plan=Plan.objects.create(name=text))
            invoice = Invoice.objects.create(account=account, period=MONTH, currency="USD", bill_from=text, bill_to=text, net=1, total=1)
            amounts = {"quantity": 1, "rate": 1, "per": 1, "exact": 1, "amount": 1}
            InvoiceLine.objects.create(invoice=invoice, position=1, description=text, provider=text, model=text, **amounts)
            InvoiceEvent.objects.create(invoice=invoice, status="draft", note=text)
            credit = Credit.objects.create(account=account, kind="granted", amount=1, note=text)
            CreditUse.objects.create(credit=credit, invoice=invoice, amount=1)
            Invoice.objects.filter(pk=invoice.pk).update(status="pending", number=f"{n}{text}"[:30], final_at=now)
            taken = {"net": 1, "tax": 0, "total": 1, "unpaid": 0}
            CreditNote.objects.create(invoice=invoice, number=f"{n}{text}"[:30], credit=credit, reason=text, **taken)
            Payment.objects.create(invoice=invoice, attempt=1, amount=1, due_at=now, reference=text, error=text, customer=text)
            WebhookEvent.objects.create(id=text)
            TaxRate.objects.create(region=text, percent=1, valid=(MONTH, None))
        for text in packs(100):
            BookedValue.objects.create(thread_id=uuid4(), amount=1, note=text)
            Allowance.objects.create(name=text[:50], key=text, value=1, at=now)
            budget = Budget.objects.create(kind="agent", key=text, amount=1, enabled=False)
            Alert.objects.create(budget=budget, key=text, month=MONTH, percent=50)
            Spending.objects.create(scope="agent", key=text, month=MONTH, currency="USD", amount=1)
            Reservation.objects.create(run_id=uuid4(), agent=text, charge=1, cost=1)
            ApiKey.objects.issue(text, self.root, ["read"])
            Price.objects.create(provider=text, model=text, unit="fresh_input", amount=1, valid=(now, None), note=text)
            Process.objects.create(name=text, kind=text[:10], started_at=now, seen_at=now, figures=by_name([text]))
        Series.objects.create(name="HOSTILE")
        Billed.objects.create(usage_id=1, invoice=Invoice.objects.all()[0])
        for chunk in Chunk.objects.filter(thread__owner=self.root)[:GROUP]:
            where = {"chunk": chunk, "thread_id": chunk.thread_id, "user_id": chunk.user_id}
            Embedding.objects.create(model=next(self.names), dims=1, vec=[1.0], **where)


def streamed(number: str, text: str) -> list[Json]:
    """The parts of a step that says, thinks and is about to call this."""
    call = str(uuid4())
    return [
        {"type": "reasoning-start", "id": f"r{number}"},
        {"type": "reasoning-delta", "id": f"r{number}", "delta": text},
        {"type": "text-start", "id": number},
        {"type": "text-delta", "id": number, "delta": text},
        {"type": "tool-input-start", "toolCallId": call, "toolName": text[:100]},
        {"type": "tool-input-delta", "toolCallId": call, "inputTextDelta": f'{{"{text}": "{text}'},
        {"type": f"data-{text}", "id": text, "data": {text: text}},
    ]


def log_changes(root: User) -> list[str]:
    """A history for one row of each model of the admin; returns the rows' pages."""
    pages = []
    for model in admin.site._registry:
        row = model._default_manager.order_by("pk").last()
        assert row is not None, f"no row of {model.__name__}"
        kind = ContentType.objects.get_for_model(model)
        told = [json.dumps([{"changed": {"name": text, "object": text, "fields": texts}} for text in texts]) for texts in groups()]
        told += ["\n".join(texts) for texts in groups()]
        about = {"user": root, "content_type": kind, "object_id": str(row.pk), "action_flag": CHANGE}
        LogEntry.objects.bulk_create(LogEntry(object_repr=text[:200], change_message=text, **about) for text in told)
        pages.append(f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/")
    return pages


def write() -> Json:
    """All of it."""
    root, people = make_people()
    writer = Writer(root, people)
    said, tools, live, titled = writer.said(), writer.tools(), writer.live(), writer.titled()
    live.save()
    writer.records(said.runs.last())  # type: ignore[arg-type]  # there are some
    foreign = writer.thread("foreign", owner=people[3])
    foreign.admit(User.objects.get(username="hostile-reader"), "viewer")
    threads = {"said": said, "tools": tools, "live": live, "foreign": foreign, "files": writer.files()}
    _, link = ShareLink.objects.issue(Thread.objects.get(pk=said.pk), root, None)
    return {name: str(thread.pk) for name, thread in threads.items()} | {"link": link, "titled": titled, "admin": log_changes(root)}


if __name__ == "__main__":
    print(json.dumps(write()))
