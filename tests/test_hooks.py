"""What can be known of each model call: usage, raw requests, the log; how text is cut; the scripted model."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agents import tasks
from agents.accounting import Exchange, redacted
from agents.agent import Agent
from agents.context import ContextOptions
from agents.errors import AnswerFailed, ProviderError
from agents.generating import generate, stream
from agents.models import RequestLog
from agents.providers.scripted import Say, ScriptedModel, Think, Use
from agents.streaming import StreamOptions
from billing.models import UsageRecord
from billing.usage import ModelCall, record
from tests.fake_openai import Call, FakeOpenAI, Plan
from threads.models import Delta, Message, Run, Thread, User

Ask = Callable[..., tuple[Message, Run]]
Offered = dict[str, Agent]


def look() -> str:
    """Looks."""
    return "seen"


# --- Usage -------------------------------------------------------------------------------------------------------------


def test_each_model_call_is_one_row_of_the_ledger(ask: Ask, alice: User, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    offered["looker"] = Agent("looker", tools=[look])
    fake.script(Plan(tools=(Call("look"),), cached=3), Plan(text="Done."))
    _, run = ask("Go", agent="looker")
    rows = list(UsageRecord.objects.order_by("step"))
    assert [(row.user_id, row.thread_id, row.run_id, row.step, row.kind, row.agent, row.provider) for row in rows] == [
        (alice.pk, thread.pk, run.pk, step, "answer", "looker", "127.0.0.1") for step in (0, 1)
    ]
    assert rows[0].cache_read == 3
    for name in ("fresh_input", "cache_read", "output_text", "reasoning"):
        assert sum(getattr(row, name) for row in rows) == run.usage[name]


def test_without_rows_it_is_recorded_all_the_same(database: None, fake: FakeOpenAI) -> None:
    answer = generate("plain", "Hi")
    row = UsageRecord.objects.get()
    assert (row.thread_id, row.user_id, row.output_text) == (None, None, answer.usage["output_text"])


def test_a_handler_may_charge_somebody_else(ask: Ask, bob: User, offered: Offered) -> None:
    seen: list[ModelCall] = []

    def to_the_team(call: ModelCall) -> None:
        from dataclasses import replace  # noqa: PLC0415

        seen.append(call)
        record(replace(call, user_id=bob.pk, labels={"team": "blue"}))

    offered["team"] = Agent("team", usage_handler=to_the_team)
    ask("Hi", agent="team")
    row = UsageRecord.objects.get()
    assert (row.user_id, row.labels, len(seen), seen[0].usage["total"] > 0) == (bob.pk, {"team": "blue"}, 1, True)


def test_a_handler_that_fails_ends_the_run_and_leaves_nothing_half_saved(ask: Ask, offered: Offered, fake: FakeOpenAI) -> None:
    def broken(call: ModelCall) -> None:
        raise RuntimeError("no money")

    offered["poor"] = Agent("poor", usage_handler=broken, tools=[look])
    fake.script(Plan(tools=(Call("look"),)))
    with pytest.raises(RuntimeError):
        ask("Hi", agent="poor")
    run = Run.objects.get()
    assert (run.status, run.error["kind"], run.tool_calls.filter(status="succeeded").exists()) == ("failed", "internal", False)


def test_a_corrected_answer_is_two_calls(database: None, fake: FakeOpenAI) -> None:
    class Number(BaseModel):
        number: int

    fake.script(Plan(text="{}"), Plan(text='{"number": 3}'))
    answer = generate(Agent("numbers", output=Number), "Go")
    rows = list(UsageRecord.objects.order_by("attempt"))
    assert [row.attempt for row in rows] == [1, 2]
    assert sum(row.output_text + row.fresh_input for row in rows) == answer.usage["total"]


def test_a_summary_is_a_call_of_its_own(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    for n in range(12):
        ask(f"{n} " + "words " * 80)
    offered["small"] = Agent("small", context_options=ContextOptions(max_tokens=1500))
    ask("Now", agent="small")
    assert list(UsageRecord.objects.filter(agent="small").order_by("kind").values_list("kind", flat=True)) == ["answer", "summary"]


def test_the_ledger_is_append_only(ask: Ask) -> None:
    ask("Hi")
    for change in (lambda: UsageRecord.objects.update(output_text=0), lambda: UsageRecord.objects.all().delete()):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    record(ModelCall(None, None, Run.objects.get().pk, 1, 0, "answer", "again", "", "", {"output_text": 9999}))
    assert UsageRecord.objects.get().agent == "plain", "a repeat changes nothing"


# --- Raw requests ------------------------------------------------------------------------------------------------------


def test_requests_can_be_seen_as_they_are(ask: Ask, offered: Offered, fake: FakeOpenAI) -> None:
    seen: list[Exchange] = []
    offered["open"] = Agent("open", on_request=seen.append, settings={"temperature": 0.5})
    fake.script(Plan(fault="500"), Plan(text="Hello."))
    ask("Hi", agent="open")
    failed, went_well = seen
    assert ("500" in failed.error or "told to answer" in failed.error, failed.response) == (True, [])
    assert (went_well.error, went_well.request["temperature"], went_well.request["messages"][-1]["content"]) == ("", 0.5, "Hi")
    text = "".join(
        choice["delta"].get("content") or "" for event in went_well.response if isinstance(event, dict) for choice in event["choices"]
    )
    assert (text, went_well.response[-1]) == ("Hello.", "[DONE]")
    assert not RequestLog.objects.exists()


def test_requests_are_logged_where_wanted_without_secrets_and_go_with_the_thread(
    ask: Ask, alice: User, thread: Thread, offered: Offered, client_of: Callable[[User], Client], settings: Any
) -> None:
    offered["open"] = Agent("open")
    ask("Nothing kept", agent="open")
    assert not RequestLog.objects.exists()
    Thread.objects.update(options={"log_requests": True})
    ask(f"My key is {settings.OPENAI_API_KEY} and sk-abcdefghijklmnop123", agent="open")
    log = RequestLog.objects.get()
    assert (log.thread, log.user, log.step, log.error) == (thread, alice, 0, "")
    assert json.dumps([log.request, log.response]).count("[redacted]") >= 2
    assert settings.OPENAI_API_KEY not in json.dumps([log.request, log.response])
    admin = client_of(User.objects.create_superuser("admin"))
    assert admin.get(f"/admin/agents/requestlog/{log.pk}/change/").status_code == 200
    RequestLog.objects.update(created_at=timezone.now() - timedelta(days=6))
    tasks.prune()
    assert RequestLog.objects.exists()
    RequestLog.objects.update(created_at=timezone.now() - timedelta(days=8))
    tasks.prune()
    assert not RequestLog.objects.exists()


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ({"api_key": "abc", "text": "fine"}, {"api_key": "[redacted]", "text": "fine"}),
        ({"a": [{"Authorization": "Bearer abcdefghijk"}]}, {"a": [{"Authorization": "[redacted]"}]}),
        ("use AKIAABCDEFGHIJKLMNOP now", "use [redacted] now"),
        ({"tokens": 5, "password": None, "secret_number": 7}, {"tokens": 5, "password": None, "secret_number": 7}),
        ("NUL \0", "NUL \ufffd"),
    ],
)
def test_secrets_are_redacted(given_: Any, kept: Any) -> None:
    assert redacted(given_) == kept


# --- How text is cut ---------------------------------------------------------------------------------------------------

TEXT = 'Hello, Dr. No.  "Is it late?" she said.\nYes…\n\nIt is 3.14 o\'clock! 今日は。はい。The end'


def cut(chunking: Any, text: str = TEXT, size: int = 3) -> list[str]:
    chunker = StreamOptions(chunking=chunking).chunker()
    found = [chunk for at in range(0, len(text), size) for chunk in chunker.feed(text[at : at + size])]
    return [*found, *filter(None, [chunker.flush()])]


def test_text_is_cut_as_wanted() -> None:
    assert cut("word")[:4] == ["Hello, ", "Dr. ", "No. ", ' "Is ']
    assert cut("line", size=100) == ['Hello, Dr. No.  "Is it late?" she said.\n', "Yes…\n\n", "It is 3.14 o'clock! 今日は。はい。The end"]
    assert cut("sentence", size=100)[1:] == [
        "No.  ", '"Is it late?" ', "she said.\n", "Yes…\n\n", "It is 3.14 o'clock! ", "今日は。", "はい。", "The end",
    ]  # fmt: skip
    assert cut(r",\s*", size=100) == ["Hello, ", TEXT[7:]]
    assert cut(lambda text: text[:10] if len(text) >= 10 else None)[0] == TEXT[:10]
    assert cut("") == [TEXT[at : at + 3] for at in range(0, len(TEXT), 3)]


@given(st.text(), st.sampled_from(["word", "line", "sentence", "a|b", ""]), st.integers(1, 7))
def test_nothing_is_lost_by_cutting(text: str, chunking: str, size: int) -> None:
    assert "".join(cut(chunking, text, size)) == text


def test_a_call_may_want_sentences_and_fewer_commits(thread: Thread, alice: User, fake: FakeOpenAI) -> None:
    fake.script(Plan(text="One is here. Two is here. Three", rate=100), Plan(tokens=60, rate=100), Plan(tokens=60, rate=100))
    with stream("plain", "Go", thread=thread, user=alice, chunking="sentence") as parts:
        assert list(parts.texts()) == ["One is here. ", "Two is here. ", "Three"]
    parts.wait()
    counts = []
    for interval in (0.0, 0.25):
        answer = generate("plain", "Go", thread=thread, user=alice, interval=interval)
        assert answer.text.split()[-1] == "w59"
        counts.append(Delta.objects.filter(run=answer.run).count())
    assert counts[1] <= 4 < counts[0]


def test_a_thread_may_want_it_too(ask: Ask, thread: Thread, fake: FakeOpenAI) -> None:
    Thread.objects.update(options={"interval": 0.3, "chunking": "word"})
    fake.script(Plan(tokens=40, rate=100))
    _, run = ask("Go")
    assert (run.status, run.deltas.count() <= 3) == ("succeeded", True)


# --- The scripted model ------------------------------------------------------------------------------------------------


def test_a_scripted_model_says_what_it_is_told_and_keeps_what_it_was_asked(ask: Ask, offered: Offered, fake: FakeOpenAI) -> None:
    offered["looker"] = Agent("looker", instructions="Look.", tools=[look])
    replies = [[Think("Hm. "), Say("Let me see. "), Use("look", {})], lambda turn: iter([Say(f"It says {turn.results[-1][1]}.")])]
    with ScriptedModel(*replies) as model:
        _, run = ask("What is there?", agent="looker")
    assert (run.status, run.messages.order_by("step_order").last().text) == ("succeeded", "It says seen.")
    assert [message["role"] for message in model.requests[1].messages] == ["system", "user", "assistant", "tool"]
    assert [tool["function"]["name"] for tool in model.requests[0].tools] == ["look"]
    assert fake.requests == []


def test_a_scripted_model_can_fail_and_run_out(database: None) -> None:
    error = ProviderError("rate_limit", "Busy.", retryable=True, retry_after=0)
    with ScriptedModel(error, "Now.") as model:
        assert generate("plain", "Hi").text == "Now."
        with pytest.raises(AnswerFailed, match="no reply left"):
            generate("plain", "Hi")
        with pytest.raises(RuntimeError, match="already"), ScriptedModel("another"):
            pass
    assert len(model.requests) == 3
    assert ScriptedModel.active is None
    connection.close()
