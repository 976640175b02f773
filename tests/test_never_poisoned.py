"""Whatever happened in a thread, its next prompt is answered, by a provider that refuses unpaired calls, empty messages and overflow.

And whatever a model streams, what is stored is the same.
"""

import json
import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from agents import people, services, sweeping, tasks
from agents.agent import Agent
from agents.context import ContextOptions
from agents.errors import AgentError, ToolError
from agents.generating import generate, stream
from agents.tools import tool
from agents.writing import write
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.site import until
from threads.deleting import delete_messages, delete_range
from threads.ids import uuid7
from threads.models import Message, Run, Thread, ToolCall, User
from threads.saving import save_messages, update_message
from threads.ui import ui_messages

Ask = Callable[..., tuple[Message, Run]]
Offered = dict[str, Agent]
# 1,000 by hand, with AGENTSITE_SEQUENCES.
SEQUENCES = int(os.environ.get("AGENTSITE_SEQUENCES", "25"))
ACTS = 12


def fine(word: str = "") -> str:
    """Works."""
    return f"fine {word}" * 50


def broken() -> str:
    """Has a bug."""
    raise ToolError("broken")


@tool(needs_approval=True)
def approved() -> str:
    """Wants to be approved."""
    return "done"


@tool(by_person=True)
def asks(question: str = "") -> str:
    """Asks a person."""
    raise NotImplementedError


CALLS = [
    Call("fine", '{"word": "x"}'),
    Call("broken"),
    Call("approved"),
    Call("asks"),
    Call("nobody"),
    Call("fine", "{no json"),
    Call("fine", "[]"),
]


class Sequence:
    """A thread to which random things happen."""

    def __init__(self, seed: int, alice: User, olga: User, fake: FakeOpenAI) -> None:
        self.random, self.alice, self.olga, self.fake = random.Random(seed), alice, olga, fake
        self.thread = Thread.start(alice, default_agent="tried")
        self.told: list[str] = []

    def plan(self) -> Plan:
        """An answer: calls, words, an error, or nothing at all."""
        kind = self.random.random()
        if kind < 0.5:
            return Plan(text=self.random.choice(["", "Hm."]), tools=tuple(self.random.choices(CALLS, k=self.random.randint(1, 3))))
        if kind < 0.6:
            return Plan(fault=self.random.choice(["400", "401", "cut"]), text="Half of it", times=0, after=2)
        if kind < 0.7:
            return Plan(text="", finish="stop")
        return Plan(text="Words. " * self.random.choice([1, 200]))

    def act(self) -> None:
        """One random thing; what is refused with a typed error changes nothing."""
        name = self.random.choice(
            [
                "send",
                "send",
                "send",
                "interrupt",
                "stop",
                "answer",
                "decide",
                "reply",
                "edit",
                "delete",
                "cut",
                "kill",
                "retry",
                "person",
                "fail",
                "bring",
            ]
        )
        self.told.append(name)
        try:
            getattr(self, name)()
        except AgentError as error:
            self.told.append(f"({error})")

    def send(self) -> None:
        self.fake.script(*(self.plan() for _ in range(self.random.randint(1, 3))))
        services.send(self.alice, self.thread, self.random.choice(["Go", "x" * 3000, "Go on"]))
        if self.random.random() < 0.8:
            self.answer()

    def interrupt(self) -> None:
        services.send(self.alice, self.thread, "Now!", meanwhile="interrupt")

    def answer(self) -> None:
        tasks.answer(str(self.thread.pk))

    def stop(self) -> None:
        services.stop_thread(self.thread)

    def kill(self) -> None:
        """A worker claims, streams a little, saves a step perhaps, and dies."""
        run = Run.objects.claim(self.thread.pk, "dead")
        if run is None:
            return
        if self.random.random() < 0.5 and run.pending_message is not None:
            pk = str(uuid7())
            parts = [{"type": "tool-input-available", "toolCallId": pk, "toolName": "fine", "input": {}}]
            run.save_step(parts, 1, {}, {pk: {"status": "running"}} if self.random.random() < 0.5 else {})
        Run.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00:00Z")
        sweeping.sweep()

    def retry(self) -> None:
        run = self.thread.runs.filter(status__in=["failed", "stopped"]).order_by("?").first()
        if run is not None:
            services.retry(self.alice, run)

    def decide(self) -> None:
        calls = list(self.thread.tool_calls.filter(status="awaiting_approval"))
        if calls:
            services.decide(
                self.alice, self.thread, [services.Decision(c.pk, self.random.random() < 0.5, c.arguments_hash, "because") for c in calls]
            )

    def reply(self) -> None:
        call = self.thread.tool_calls.filter(status="requested").first()
        if call is not None:
            services.answer_call(self.alice, self.thread, call.pk, self.random.choice(["Yes", {"a": 1}, None]))

    def _row(self) -> Message | None:
        return self.thread.messages.exclude(status="pending").order_by("?").first()

    def edit(self) -> None:
        row = self._row()
        if row is not None and not row.is_tool:
            update_message(row, content=self.random.choice(["Edited", "", "   "]))

    def fail(self) -> None:
        row = self._row()
        if row is not None:
            update_message(row, status="failed", error={"kind": "x", "message": "x"})

    def delete(self) -> None:
        row = self._row()
        if row is not None:
            delete_messages(self.thread.pk, [row.pk])

    def cut(self) -> None:
        order = self.random.randint(0, 5)
        delete_range(self.thread.pk, (order, self.random.randint(0, 2)), (order + 1, self.random.randint(0, 2)))

    def person(self) -> None:
        people.take_over(self.olga, self.thread)
        if self.random.random() < 0.5:
            people.reply(self.olga, self.thread, "A person.")
        people.hand_back(self.olga, self.thread, answer=self.random.random() < 0.5)

    def bring(self) -> None:
        call = {"type": "tool-call", "id": "a", "tool": "fine", "arguments": {}}
        result = {"type": "tool-result", "id": "a", "result": "fine"}
        rows: list[Any] = [{"role": "assistant", "content": [call]}, {"role": "tool", "content": [result]}]
        save_messages(
            self.thread.pk,
            self.random.choice([rows, rows[:1], ["Hi", {"role": "assistant", "content": ""}], [{"role": "system", "content": "Be kind."}]]),
        )


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_the_next_prompt_is_always_answered(seed: int, alice: User, offered: Offered, fake: FakeOpenAI, settings: Any) -> None:
    olga = User.objects.create_user(f"olga{seed}")
    offered["tried"] = Agent("tried", tools=[fine, broken, approved, asks], context_options=ContextOptions(max_tokens=2500), steps=4)
    fake.window = 2500
    sequence = Sequence(seed, alice, olga, fake)
    for _ in range(ACTS):
        sequence.act()
    fake.script_nothing()
    services.stop_thread(sequence.thread)
    while sequence.thread.runs.live().exists():
        services.stop_thread(sequence.thread)
    _, run = services.send(alice, sequence.thread, '[[text="Here I am."]]Are you there?')
    assert run is not None
    tasks.answer(str(sequence.thread.pk))
    run.refresh_from_db()
    assert (run.status, run.messages.order_by("step_order").last().text) == ("succeeded", "Here I am."), (sequence.told, run.error)
    assert not ToolCall.objects.filter(thread=sequence.thread, status="running").exists()
    assert not Message.objects.filter(thread=sequence.thread, status="pending").exists()


# --- Streamed and stored -----------------------------------------------------------------------------------------------

WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)


def fold_by_hand(parts: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """What somebody who only reads the stream ends up with, reduced independently of the code under test."""
    shown: list[tuple[str, Any]] = []
    texts: dict[str, int] = {}
    for part in parts:
        kind = part["type"]
        if kind in ("text-start", "reasoning-start"):
            texts[part["id"]] = len(shown)
            shown.append((kind.removesuffix("-start"), ""))
        elif kind in ("text-delta", "reasoning-delta"):
            place = texts[part["id"]]
            shown[place] = (shown[place][0], shown[place][1] + part["delta"])
        elif kind == "tool-input-available":
            shown.append(("tool", (part["toolName"], json.dumps(part["input"], sort_keys=True))))
        elif kind == "start-step":
            texts = {}
    return [each for each in shown if each[1]]


@property_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 5), WORDS, st.lists(WORDS, max_size=3)), min_size=1, max_size=4))
def test_streamed_and_stored_forms_of_an_answer_are_equal(thread: Thread, alice: User, fake: FakeOpenAI, steps: list[Any]) -> None:
    plans = [
        Plan(text=text, reasoning=reasoning, rate=0, tools=tuple(Call("fine", json.dumps({"word": word})) for word in words))
        for reasoning, text, words in steps[:-1]
        if words
    ]
    fake.script_nothing()
    fake.script(*plans, Plan(text=steps[-1][1], reasoning=steps[-1][0], rate=0))
    with stream(Agent("streamed", tools=[fine]), "Go", thread=thread, user=alice) as written:
        parts = list(written)
    answer = written.wait()
    assert answer.run is not None
    (shown,) = [m for m in ui_messages(answer.run.messages.all(), answer.run.tool_calls.all()) if m["role"] == "assistant"]
    stored = [
        (part["type"], part["text"])
        if part["type"] in ("text", "reasoning")
        else ("tool", (part["type"][5:], json.dumps(part["input"], sort_keys=True)))
        for part in shown["parts"]
        if part["type"] != "step-start"
    ]
    assert stored == fold_by_hand(parts)
    # The committed deltas, which others read, say the same as what was heard in this process.
    committed = [part for delta in answer.run.deltas.order_by("start") for part in delta.parts]
    assert fold_by_hand(committed) == stored


# --- Streams without an agent ------------------------------------------------------------------------------------------


def test_any_iterator_can_be_streamed_into_a_thread(thread: Thread, alice: User) -> None:
    prompt = save_messages(thread.pk, ["Tell"])[0]
    run = write(
        thread,
        ["One ", "two.", {"type": "data-note", "data": {"n": 1}}, {"type": "data-note", "data": {"n": 2}}, " Three."],
        name="teller",
        prompt=prompt,
    )
    row = run.messages.get()
    assert (run.status, run.agent, row.order, row.step_order, row.agent_name) == ("succeeded", "teller", 0, 1, "teller")
    assert row.content == [
        {"type": "text", "text": "One two."}, {"type": "data", "name": "note", "id": "", "data": {"n": 2}}, {"type": "text", "text": " Three."},
    ]  # fmt: skip
    assert [part["type"] for part in ui_messages([row], [])[0]["parts"]] == ["step-start", "text", "data-note", "text"]


def test_partial_objects_end_as_the_last_one(thread: Thread) -> None:
    drafts = ({"title": "A"}, {"title": "A trip", "days": 3})
    run = write(thread, drafts, name="planner", order="next")
    assert run.messages.get().content == [{"type": "data", "name": "object", "id": "object", "data": {"title": "A trip", "days": 3}}]


def test_a_stream_can_be_stopped_from_elsewhere(thread: Thread, alice: User) -> None:
    aborted: list[str] = []
    taken: list[int] = []

    def pieces() -> Any:
        for n in range(1000):
            taken.append(n)
            if n == 3:
                until(lambda: Run.objects.get().deltas.exists(), 5)
                services.stop(Run.objects.get())
                time.sleep(0.6)
            yield f"{n} "

    run = write(thread, pieces(), name="counter", on_abort=lambda reason: aborted.append(reason.kind))
    row = run.messages.get()
    assert (run.status, row.finish_reason, len(aborted), len(taken)) == ("stopped", "stopped", 1, 4)
    assert row.text.startswith("0 1 2")


def test_an_error_of_the_iterator_fails_the_row_and_is_raised(thread: Thread) -> None:
    def pieces() -> Any:
        yield "Half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(thread, pieces(), name="breaker")
    run = Run.objects.get()
    assert (run.status, run.messages.get().status, run.messages.get().text) == ("failed", "failed", "Half")
    assert generate("plain", "[[text=Fine.]]Next", thread=thread).text == "Fine."
