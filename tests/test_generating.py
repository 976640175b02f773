"""Answers in this process: what is said, what is told to the model, what is saved."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from agents import services, sweeping, tasks
from agents.agent import Agent
from agents.errors import AnswerFailed, BadInput, Busy
from agents.generating import RESTART, generate, stream
from agents.results import called, step_count
from agents.tools import ToolContext, tool
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.site import until
from threads.models import Delta, Message, Run, Thread, ToolCall, User
from threads.saving import save_messages

Ask = Callable[..., tuple[Message, Run]]
PLAIN = Agent("made-here", instructions="Be brief.")


def told(fake: FakeOpenAI) -> list[tuple[str, str]]:
    return [(message["role"], message.get("content", "")) for message in fake.requests[-1].body["messages"]]


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


ADD = Plan(tools=(Call("add", '{"left": 1, "right": 2}'),))


# --- Without rows ------------------------------------------------------------------------------------------------------


def test_an_answer_outside_of_any_thread_saves_nothing(database: None, fake: FakeOpenAI) -> None:
    answer = generate(PLAIN, "[[tokens=3]]Hi", messages=["Earlier", {"role": "assistant", "content": "Yes?"}])
    assert (answer.text, answer.finish_reason, answer.status) == ("w0 w1 w2 ", "stop", "succeeded")
    assert answer.usage["total"] > 0
    assert told(fake) == [("system", "Be brief."), ("user", "Earlier"), ("assistant", "Yes?"), ("user", "[[tokens=3]]Hi")]
    for model in (Thread, Message, Run, Delta, ToolCall):
        assert not model.objects.exists()


def test_tools_work_without_rows(database: None, alice: User, fake: FakeOpenAI) -> None:
    def whoami(context: ToolContext) -> str:
        """Tell who asks."""
        context.progress("looking")
        return str(context.user.username)

    fake.script(Plan(tools=(Call("add", '{"left": 1, "right": 2}'), Call("whoami", "{}"), Call("add", "{}"))), Plan(text="Done."))
    answer = generate(PLAIN.using(tools=[add, whoami]), "Go", user=alice)
    assert [(call.status, call.result) for call in answer.steps[0].tool_calls] == [
        ("succeeded", 3),
        ("succeeded", "alice"),
        ("failed", None),
    ]
    assert [message.role for message in answer.messages] == ["assistant", "tool", "assistant"]
    assert (answer.text, len(answer.steps), answer.usage["total"]) == ("Done.", 2, sum(step.usage["total"] for step in answer.steps))


def test_a_tool_for_a_person_ends_an_unsaved_answer(database: None, fake: FakeOpenAI) -> None:
    @tool(by_person=True)
    def ask_human(question: str) -> str:
        """Ask somebody."""
        raise AssertionError("never called")

    fake.script(Plan(tools=(Call("ask_human", '{"question": "?"}'),)))
    answer = generate(PLAIN.using(tools=[ask_human]), "Go")
    assert (answer.finish_reason, answer.steps[-1].tool_calls[0].status) == ("tool_calls", "requested")


def test_a_thread_can_be_read_and_left_as_it_is(ask: Ask, thread: Thread, fake: FakeOpenAI) -> None:
    ask("[[tokens=2]]First")
    before = Message.objects.count(), Run.objects.count(), Thread.objects.get(pk=thread.pk).version
    answer = generate(PLAIN, "Sum up", thread=Thread.objects.get(pk=thread.pk), save="none")
    assert told(fake)[1:] == [("user", "[[tokens=2]]First"), ("assistant", "w0 w1 "), ("user", "Sum up")]
    assert (answer.run, before) == (None, (Message.objects.count(), Run.objects.count(), Thread.objects.get(pk=thread.pk).version))


def test_failures_raise_with_what_there_is(database: None) -> None:
    with pytest.raises(AnswerFailed) as caught:
        generate(PLAIN, "[[fault=401]]Hi")
    assert (caught.value.error["kind"], caught.value.answer.status) == ("auth", "failed")


# --- With rows ---------------------------------------------------------------------------------------------------------


def test_a_saved_answer_looks_like_any_other(thread: Thread, alice: User, fake: FakeOpenAI) -> None:
    answer = generate(PLAIN, "[[tokens=3]]Hi", thread=thread, user=alice)
    assert answer.run is not None
    assert (answer.text, answer.run.status, answer.run.lease_until) == ("w0 w1 w2 ", "succeeded", None)
    rows = thread.messages.order_by("order", "step_order").values_list("order", "step_order", "role", "agent_name", "author__username")
    assert list(rows) == [(0, 0, "user", "", "alice"), (0, 1, "assistant", "made-here", None)]
    assert fake.requests[-1].body["messages"][0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("save", "prompt", "kept"),
    [
        ("prompt_and_output", "Now", ["Now"]),
        ("prompt_and_output", (), ["b"]),
        ("prompt_and_output", ["x", "y"], ["x", "y"]),
        ("all", "Now", ["a", "b", "Now"]),
    ],
)
def test_what_is_saved_and_what_is_only_told(thread: Thread, fake: FakeOpenAI, save: Any, prompt: Any, kept: list[str]) -> None:
    generate(PLAIN, prompt, thread=thread, messages=["a", "b"], save=save)
    assert [row.text for row in thread.messages.filter(role="user").order_by("order")] == kept
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    assert [text for role, text in told(fake) if role == "user"] == ["a", "b", *prompts]


def test_a_saved_prompt_is_answered_where_it_stands(thread: Thread, alice: User, fake: FakeOpenAI) -> None:
    prompt, _, _ = save_messages(thread.pk, ["First", {"role": "assistant", "content": "So far"}, "Second"], author=alice)
    answer = generate(PLAIN, thread=thread, prompt_message=prompt)
    assert told(fake)[1:] == [("user", "First"), ("assistant", "So far")]
    assert [(row.order, row.step_order) for row in answer.messages] == [(0, 2)]
    generate(PLAIN, "Instead", thread=thread, prompt_message=prompt, messages=["Mind that"])
    assert told(fake)[1:4] == [("user", "Mind that"), ("user", "Instead"), ("assistant", "So far")]
    assert thread.messages.filter(role="user").count() == 2


def test_a_busy_thread_says_so(ask: Ask, thread: Thread) -> None:
    ask("Hi", answer=False)
    with pytest.raises(Busy):
        generate(PLAIN, "And", thread=thread)
    with pytest.raises(BadInput):
        generate(PLAIN, prompt_message=thread.messages.first())


def test_who_stops_iterating_loses_nothing(thread: Thread, alice: User) -> None:
    with stream(PLAIN, "[[tokens=60 rate=200]]Hi", thread=thread, user=alice) as parts:
        words = parts.texts()
        assert next(words) == "w0 "
    run = Run.objects.get()
    until(lambda: Run.objects.get(pk=run.pk).status == "succeeded")
    assert run.messages.get(role="assistant").text == "".join(f"w{n} " for n in range(60))
    parts.wait()


def test_a_stream_can_be_iterated_waited_for_and_stopped(thread: Thread, alice: User) -> None:
    with stream(PLAIN, "[[tokens=5]]Hi", thread=thread, user=alice) as parts:
        assert "".join(parts.texts()) == parts.wait().text == "w0 w1 w2 w3 w4 "
    for where in ({"thread": thread}, {}):
        with stream(PLAIN, "[[tokens=5000 rate=50]]Hi", **where) as parts:
            next(parts.texts())
            began = time.monotonic()
            parts.stop()
            parts.wait()
            assert time.monotonic() - began < 1


def test_a_void_attempt_is_told(thread: Thread, fake: FakeOpenAI) -> None:
    fake.script(Plan(tokens=5, fault="cut", after=3), Plan(tokens=1))
    parts = list(stream(PLAIN, "Hi", thread=thread))
    assert RESTART in parts
    assert [part["delta"] for part in parts[parts.index(RESTART) :] if part["type"] == "text-delta"] == ["w0 "]


def test_an_answer_of_a_dead_process_is_continued_by_a_worker(thread: Thread, alice: User, offered: dict[str, Agent]) -> None:
    with Thread.changing(thread.pk) as change:
        (prompt,) = save_messages_in(change, "[[tokens=3]]Hi", alice)
        run = Run(thread=change.thread, prompt=prompt, order=prompt.order, agent="plain", requested_by=alice)
        run.begin(change, "a process that dies")
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now())
    sweeping.sweep()
    tasks.answer(str(thread.pk))
    run.refresh_from_db()
    assert (run.status, run.attempt) == ("succeeded", 2)


def save_messages_in(change: Any, text: str, author: User) -> list[Message]:
    from threads.saving import save_in  # noqa: PLC0415

    return save_in(change, [text], author=author)


# --- Options -----------------------------------------------------------------------------------------------------------


def test_the_call_counts_before_the_thread_and_the_thread_before_the_agent(thread: Thread, fake: FakeOpenAI) -> None:
    agent = Agent("a", instructions="agent", model="m-agent", settings={"temperature": 0, "seed": 1}, tools=[add])
    Thread.objects.filter(pk=thread.pk).update(options={"instructions": "thread", "model": "m-thread", "settings": {"seed": 2}})
    thread.refresh_from_db()
    generate(agent, "Hi", thread=thread, model="m-call")
    body = fake.requests[-1].body
    assert (body["model"], body["temperature"], body["seed"], told(fake)[0]) == ("m-call", 0, 2, ("system", "thread"))
    assert [offer["function"]["name"] for offer in body["tools"]] == ["add"]
    generate(agent, "Hi", thread=thread, tools=[], settings={"seed": 3})
    body = fake.requests[-1].body
    assert (body["model"], body["seed"], "tools" in body) == ("m-thread", 3, False)


def test_a_queued_run_keeps_its_options_for_whoever_answers(ask: Ask, fake: FakeOpenAI, offered: dict[str, Agent]) -> None:
    offered["able"] = Agent("able", tools=[add], instructions="agent")
    ask("Hi", agent="able", options={"instructions": "call", "tools": []})
    assert told(fake)[0] == ("system", "call")
    assert "tools" not in fake.requests[-1].body
    for options, field in (({"tools": ["other"]}, "options.tools"), ({"steps": 0}, "options.steps"), ({"speed": 1}, "options.speed")):
        with pytest.raises(BadInput) as caught:
            ask("Hi", agent="able", options=options, answer=False)
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("options", "steps"),
    [({}, 4), ({"steps": 1}, 1), ({"stop_when": step_count(2)}, 2), ({"stop_when": [step_count(9), called("add")]}, 3)],
)
def test_what_ends_the_loop(thread: Thread, fake: FakeOpenAI, options: Any, steps: int) -> None:
    bad = Plan(tools=(Call("add", '{"left": "x"}'),))
    for where in ({"thread": thread}, {}):
        fake.script(bad, bad, ADD, Plan(text="3"))
        answer = generate(PLAIN.using(tools=[add]), "Go", **where, **options)
        assert (len(answer.steps), answer.status) == (steps, "succeeded")
        fake.reset()


def test_trying_again_tells_the_same(thread: Thread, alice: User, fake: FakeOpenAI, offered: dict[str, Agent]) -> None:
    with pytest.raises(AnswerFailed):
        generate("plain", "[[fault=401 times=1]]Hi", thread=thread, user=alice, messages=["Mind that"])
    services.retry(alice, Run.objects.get())
    tasks.answer(str(thread.pk))
    assert told(fake) == [("user", "Mind that"), ("user", "[[fault=401 times=1]]Hi")]
