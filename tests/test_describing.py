"""Titles and summaries of threads, by a cheap model or by a tool."""

import json
from collections.abc import Callable
from typing import Any

from agents import services, tasks
from agents.agent import Agent
from agents.describing import describe, rename_thread
from agents.generating import generate
from tests.fake_openai import Call, FakeOpenAI, Plan
from threads.models import Message, Run, Thread, User

Ask = Callable[..., tuple[Message, Run]]


def titled(alice: User, text: str) -> Thread:
    thread = Thread.start(alice, default_agent="plain")
    services.send(alice, thread, text)
    tasks.answer(str(thread.pk))
    return thread


def test_a_thread_gets_title_and_summary(alice: User, fake: FakeOpenAI) -> None:
    thread = titled(alice, "[[text=Sure]]Where can I buy a tent in Oslo?")
    fake.script(Plan(text=json.dumps({"title": "A tent in Oslo", "summary": "Alice looks for a tent."})))
    before = thread.messages.count()
    describe(thread.pk)
    thread.refresh_from_db()
    assert (thread.title, thread.summary, thread.messages.count()) == ("A tent in Oslo", "Alice looks for a tent.", before)
    assert [m["role"] for m in fake.requests[-1].body["messages"]] == ["system", "user", "assistant", "user"]


def test_a_title_that_somebody_gave_stays(alice: User, fake: FakeOpenAI) -> None:
    thread = titled(alice, "Hi")
    Thread.objects.update(title="Mine")
    fake.script(Plan(text=json.dumps({"title": "Another", "summary": "They talk."})))
    describe(thread.pk)
    thread.refresh_from_db()
    assert (thread.title, thread.summary) == ("Mine", "They talk.")


def test_an_empty_thread_is_left_alone(thread: Thread) -> None:
    assert describe(thread.pk) is None


def test_the_model_names_the_conversation_with_a_tool(ask: Ask, thread: Thread, offered: dict[str, Agent], fake: FakeOpenAI) -> None:
    offered["host"] = Agent("host", tools=[rename_thread])
    fake.script(Plan(tools=(Call("rename_thread", '{"title": "Tents"}'),)), Plan(text="Done."))
    ask("Call it tents", agent="host")
    assert Thread.objects.get().title == "Tents"
    fake.script(Plan(tools=(Call("rename_thread", '{"title": "Tents"}'),)), Plan(text="Done."))
    assert generate(offered["host"], "Call it tents").steps[0].tool_calls[0].status == "failed"


def test_the_first_turn_is_described_if_the_site_wants_it(alice: User, settings: Any, monkeypatch: Any) -> None:
    sent: list[str] = []
    monkeypatch.setattr("agents.services.current_app.send_task", lambda task, _: sent.append(task))
    titled(alice, "Hi")
    settings.DESCRIBE_THREADS = True
    thread = titled(alice, "Hi")
    services.send(alice, thread, "Again")
    tasks.answer(str(thread.pk))
    assert sent.count("agents.tasks.describe_thread") == 1
