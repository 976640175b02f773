"""An agent answers: real worker machinery and database, only the model's server is the fake one."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from agents import services, sweeping, tasks
from agents.agent import Agent
from agents.errors import ToolError
from agents.tools import ToolContext, tool
from tests.fake_openai import Call, FakeOpenAI, Plan
from tests.site import until
from threads.convert import from_ui_messages
from threads.models import Delta, Message, Run, Thread, ToolCall, User
from threads.ui import ui_messages

Ask = Callable[..., tuple[Message, Run]]
Offered = dict[str, Agent]


def said(run: Run) -> str:
    return "".join(m.text for m in run.messages.filter(role="assistant").order_by("step_order"))


def test_the_answer_replaces_the_pending_row_in_place(ask: Ask) -> None:
    message, run = ask("Hello there, model")
    row = run.messages.get()
    assert run.status == "succeeded"
    assert (row.order, row.step_order, row.status, row.finish_reason) == (0, 1, "success", "stop")
    assert "Hello there, model" in row.text
    assert row.usage is not None
    assert row.usage["total"] > 0
    assert run.usage == row.usage
    assert message.order == 0


def test_saved_text_is_what_the_model_sent_and_what_the_deltas_said(ask: Ask, fake: FakeOpenAI) -> None:
    fake.script(Plan(text="Grüße aus Oslo 🌧️ – ناقص\nnext line " * 40, rate=2000, split=7, crlf=True, comments=True))
    _, run = ask("Hello")
    assert said(run) == "Grüße aus Oslo 🌧️ – ناقص\nnext line " * 40
    deltas = Delta.objects.filter(run=run, attempt=1).order_by("start")
    assert [d.start for d in deltas][1:] == [d.end for d in deltas][:-1], "no hole"
    streamed = "".join(part["delta"] for d in deltas for part in d.parts if part["type"] == "text-delta")
    assert said(run).startswith(streamed)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_fields_of_compatible_servers(ask: Ask, fake: FakeOpenAI, name: str) -> None:
    fake.script(Plan(text="Done.", reasoning=5, reasoning_field=name))
    _, run = ask("Think")
    assert [part["type"] for part in run.messages.get().content] == ["reasoning", "text"]
    assert run.usage["reasoning"] > 0


def test_what_a_server_cites_is_kept_once(ask: Ask, fake: FakeOpenAI) -> None:
    fake.script(Plan(text="Done.", cites="https://a.test/,javascript:alert(1),http://b.test/x,https://a.test/"))
    _, run = ask("Look it up")
    row = run.messages.get()
    assert [(source["url"], source["title"]) for source in row.sources] == [("https://a.test/", "Page 1"), ("http://b.test/x", "Page 3")]
    assert [part["type"] for part in row.content] == ["text"]
    assert [part["type"] for part in ui_messages([row], [])[0]["parts"]] == ["step-start", "text", "source-url", "source-url"]
    (again,) = from_ui_messages(ui_messages([row], []))
    assert again.sources == row.sources


def test_cached_tokens_are_not_counted_twice(ask: Ask, fake: FakeOpenAI) -> None:
    fake.script(Plan(text="Done.", cached=5))
    _, run = ask("Use the cache, please, with some more words to fill it")
    assert run.usage["cache_read"] == 5
    assert run.usage["total"] == sum(run.usage[key] for key in ("fresh_input", "cache_read", "cache_write", "output_text", "reasoning"))


def test_usage_is_estimated_when_the_server_tells_none(ask: Ask, fake: FakeOpenAI) -> None:
    fake.script(Plan(text="x" * 400, usage=False))
    _, run = ask("Hello")
    assert run.usage["output_text"] == 100
    assert run.usage["estimated"] > 100


# --- Tools -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(offered: Offered) -> Agent:
    barrier = threading.Barrier(2, timeout=5)

    def meet(name: str) -> str:
        """Waits for the other call: only parallel calls get past it."""
        barrier.wait()
        return f"met {name}"

    def add(left: int, right: int = 1) -> int:
        """Adds two numbers."""
        return left + right

    def explode() -> str:
        """Has a bug."""
        raise RuntimeError("secret inner words")

    def refuse() -> str:
        """Cannot do it."""
        raise ToolError("Not on Sundays.")

    async def later(context: ToolContext) -> str:
        """Is a coroutine."""
        context.progress("half", 0.5)
        return context.user.username

    offered["busy"] = Agent("busy", tools=[meet, add, explode, refuse, tool(idempotent=True)(later)])
    return offered["busy"]


def test_tools_run_in_parallel_and_the_answer_quotes_them(ask: Ask, busy: Agent) -> None:
    _, run = ask('[[tool=meet {"name":"a"}]][[tool=meet {"name":"b"}]][[next]][[text="All met"]]', agent="busy")
    assert run.status == "succeeded", run.error
    assert list(run.tool_calls.order_by("index").values_list("status", "result")) == [("succeeded", "met a"), ("succeeded", "met b")]
    rows = run.messages.order_by("step_order").values_list("role", "step_order", "is_tool", "status")
    assert list(rows) == [("assistant", 1, True, "success"), ("tool", 2, True, "success"), ("assistant", 3, False, "success")]


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        ('add {"left": 1}', "succeeded", ""),
        ('add {"left": "no number"}', "failed", "left"),
        ('add {"left": 1, "extra": 2}', "failed", "extra"),
        ("add {not json", "failed", "not a JSON object"),
        ("add [1,2]", "failed", "not a JSON object"),
        ("nobody {}", "failed", "There are: meet, add, explode, refuse, later"),
        ("explode {}", "failed", "The tool failed."),
        ("refuse {}", "failed", "Not on Sundays."),
        ("later {}", "succeeded", ""),
    ],
)
def test_whatever_a_call_does_the_run_goes_on_and_the_model_is_told(
    ask: Ask, busy: Agent, fake: FakeOpenAI, call: str, status: str, words: str
) -> None:
    name, _, arguments = call.partition(" ")
    fake.script(Plan(tools=(Call(name, arguments),)), Plan(text="Went on."))
    _, run = ask("Do it", agent="busy")
    outcome = run.tool_calls.get()
    assert (run.status, outcome.status) == ("succeeded", status), (run.error, outcome.error)
    if words:
        assert words in outcome.error["message"]
        assert "secret inner words" not in str(outcome.error)
        assert words in fake.requests[-1].body["messages"][-1]["content"]


@pytest.mark.parametrize("ids", ["unique", "empty", "same"])
def test_provider_ids_may_be_empty_or_repeat(ask: Ask, busy: Agent, ids: str) -> None:
    prompt = f'[[ids={ids}]][[tool=add {{"left":1}}]][[tool=add {{"left":2}}]][[next]][[ids={ids}]][[tool=add {{"left":3}}]][[next]][[text=Done]]'
    _, run = ask(prompt, agent="busy")
    assert run.status == "succeeded", run.error
    assert list(run.tool_calls.order_by("step", "index").values_list("step", "index", "result")) == [(0, 0, 2), (0, 1, 3), (1, 0, 4)]


def test_long_arguments_arrive_whole(ask: Ask, offered: Offered) -> None:
    def measure(text: str) -> int:
        """Counts letters."""
        return len(text)

    offered["measure"] = Agent("measure", tools=[measure])
    _, run = ask('[[rate=0]][[tool=measure {"text":"<x*200000>"}]][[next]][[text=Done]]', agent="measure")
    assert run.tool_calls.get().result == 200_000


def test_ten_thousand_arguments_are_one_short_error(ask: Ask, busy: Agent, fake: FakeOpenAI) -> None:
    arguments = "{" + ",".join(f'"k{n}":{n}' for n in range(10_000)) + "}"
    fake.script(Plan(tools=(Call("add", arguments),), rate=0), Plan(text="Went on."))
    _, run = ask("Do it", agent="busy")
    assert run.status == "succeeded"
    assert len(run.tool_calls.get().error["message"]) <= 500


def test_the_step_limit_ends_a_loop(ask: Ask, offered: Offered, busy: Agent) -> None:
    offered["short"] = Agent("short", tools=busy.tools, steps=2)
    _, run = ask('[[tool=add {"left":1}]][[next]][[tool=add {"left":2}]][[next]][[tool=add {"left":3}]]', agent="short")
    assert (run.status, run.tool_calls.count()) == ("succeeded", 2)
    assert run.messages.order_by("-step_order")[0].role == "tool"


def test_a_stuck_tool_is_left_behind_as_unknown(ask: Ask, offered: Offered) -> None:
    released = threading.Event()

    def hang() -> str:
        """Never comes back in time."""
        released.wait(20)
        return "late"

    offered["stuck"] = Agent("stuck", tools=[tool(timeout=0.3)(hang)])
    _, run = ask("[[tool=hang {}]][[next]][[text=Done]]", agent="stuck")
    assert (run.status, run.tool_calls.get().status) == ("succeeded", "unknown")
    released.set()
    until(lambda: run.tool_calls.get().status == "succeeded")
    assert run.tool_calls.get().result == "late"


def test_progress_is_kept_at_most_four_times_a_second(ask: Ask, offered: Offered, thread: Thread) -> None:
    def count(context: ToolContext) -> str:
        """Tells its progress very often."""
        for step in range(100):
            context.progress(f"step {step}", step / 100)
        return "done"

    offered["count"] = Agent("count", tools=[count])
    before = Thread.objects.get(pk=thread.pk).version
    _, run = ask("[[tool=count {}]][[next]][[text=Done]]", agent="count")
    assert run.tool_calls.get().progress == {"text": "step 0", "fraction": 0.0}
    assert Thread.objects.get(pk=thread.pk).version - before < 12


# --- Providers that fail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "429 retry_after=0.05",
        "500",
        "503",
        "drop",
        "cut after=3",
        "reset after=3",
        "no_finish after=3",
        "bad_json after=3",
        "error after=3",
    ],
)
def test_a_fault_that_passes_is_survived(ask: Ask, fault: str) -> None:
    _, run = ask(f"[[tokens=10 fault={fault} times=2]]Hello")
    assert run.status == "succeeded", run.error
    assert said(run) == "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 "
    assert Delta.objects.filter(run=run).values("attempt").distinct().count() <= run.attempt


@pytest.mark.parametrize(
    ("fault", "kind", "retryable", "partial"),
    [
        ("401", "auth", False, False),
        ("400", "bad_request", False, False),
        ("404", "not_found", False, False),
        ("429 retry_after=60", "rate_limit", True, False),
        ("500", "server", True, False),
        ("html", "garbage", True, False),
        ("cut after=5", "broken_stream", True, True),
        ("no_finish after=5", "broken_stream", True, True),
        ("bad_json after=5", "garbage", True, True),
        ("error after=5", "server", True, True),
    ],
)
def test_a_fault_that_stays_is_one_typed_error(ask: Ask, fault: str, kind: str, retryable: bool, partial: bool) -> None:
    _, run = ask(f"[[tokens=10 fault={fault}]]Hello")
    row = run.messages.get()
    assert (run.status, row.status) == ("failed", "failed")
    assert run.error is not None
    assert (run.error["kind"], run.error["retryable"]) == (kind, retryable)
    assert row.error == run.error
    assert bool(row.text) == partial, "what was shown is kept"
    assert "sk-test-secret" not in str(run.error)


def test_a_busy_server_says_when_to_come_back(ask: Ask) -> None:
    _, run = ask("[[fault=429 retry_after=60]]Hello")
    assert run.error is not None
    assert run.error["retry_after"] == 60


def test_a_silent_server_counts_as_broken(ask: Ask, settings: Any) -> None:
    settings.STALL_SECONDS = 0.5
    _, run = ask("[[tokens=10 fault=stall after=3 times=1]]Hello")
    assert run.status == "succeeded", run.error
    assert run.attempt == 2


@pytest.mark.parametrize("fault", ["no_stream", "no_stream_options", "ignore_stream"])
def test_servers_that_cannot_stream_are_asked_otherwise(ask: Ask, fault: str, settings: Any) -> None:
    settings.MODEL = f"fake-{fault}"
    _, run = ask(f"[[tokens=10 fault={fault}]]Hello")
    assert run.status == "succeeded", run.error
    assert said(run)


@pytest.mark.parametrize("text", ["a\0b", "half \ud83d of a pair"])
def test_text_that_postgres_refuses_is_replaced(ask: Ask, fake: FakeOpenAI, text: str) -> None:
    fake.script(Plan(text=text))
    _, run = ask("Hello")
    assert run.status == "succeeded", run.error
    assert "�" in said(run)


def test_the_thread_is_usable_after_a_failure_and_retry_answers(ask: Ask, alice: User, thread: Thread) -> None:
    _, failed = ask("[[tokens=5 fault=500 times=3]]Hello")
    assert failed.status == "failed"
    message, again = services.retry(alice, failed)
    tasks.answer(str(thread.pk))
    again.refresh_from_db()
    assert (again.status, again.messages.get().order) == ("succeeded", message.order)
    _, next_one = ask("Another question")
    assert next_one.status == "succeeded"


def test_a_bug_of_ours_leaves_the_row_truthful(ask: Ask, thread: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("Hello", answer=False)
    monkeypatch.setattr("agents.asking.messages_for", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.answer(str(thread.pk))
    run = Run.objects.get()
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["kind"] == "internal"


# --- Stop and take-over ------------------------------------------------------------------------------------------------


def answering(thread: Thread) -> threading.Thread:
    worker = threading.Thread(target=tasks.answer, args=[str(thread.pk)])
    worker.start()
    return worker


def test_stop_closes_the_provider_and_keeps_what_was_said(ask: Ask, thread: Thread, fake: FakeOpenAI) -> None:
    _, run = ask("[[tokens=500 rate=50]]Hello", answer=False)
    worker = answering(thread)
    until(lambda: Delta.objects.filter(run=run).count() > 5)
    stopped_at = time.monotonic()
    services.stop_thread(thread)
    kept = said(run)
    worker.join(5)
    until(lambda: fake.requests[-1].closed_at)
    closed_at = fake.requests[-1].closed_at
    assert closed_at is not None
    assert closed_at - stopped_at < 0.5
    run.refresh_from_db()
    row = run.messages.get()
    assert (run.status, row.status, row.finish_reason) == ("stopped", "success", "stopped")
    assert row.text == kept != ""
    assert Delta.objects.filter(run=run).count() > 0


def test_stop_while_the_model_is_silent(ask: Ask, thread: Thread, fake: FakeOpenAI) -> None:
    _, run = ask("[[tokens=5 delay=30]]Hello", answer=False)
    worker = answering(thread)
    until(lambda: fake.requests)
    services.stop_thread(thread)
    worker.join(2)
    assert not worker.is_alive()
    run.refresh_from_db()
    assert run.status == "stopped"


def test_stop_while_a_tool_hangs_leaves_it_unknown(ask: Ask, thread: Thread, offered: Offered) -> None:
    entered, released = threading.Event(), threading.Event()

    def hang() -> str:
        """Hangs."""
        entered.set()
        released.wait(20)
        return "late"

    offered["stuck"] = Agent("stuck", tools=[hang])
    _, run = ask("[[tool=hang {}]]", agent="stuck", answer=False)
    worker = answering(thread)
    entered.wait(10)
    services.stop_thread(thread)
    worker.join(2)
    assert not worker.is_alive()
    assert run.tool_calls.get().status == "unknown"
    _, after = ask("And now?", agent="plain")
    assert after.status == "succeeded", after.error
    released.set()
    until(lambda: run.tool_calls.get().status == "succeeded")


def test_stopping_twice_is_harmless(ask: Ask, thread: Thread) -> None:
    _, run = ask("Hello", answer=False)
    services.stop(run)
    version = Thread.objects.get(pk=thread.pk).version
    services.stop(run)
    assert Thread.objects.get(pk=thread.pk).version == version


def lose_worker(run: Run) -> None:
    """What the database shows after a worker died a while ago."""
    Run.objects.filter(pk=run.pk).update(lease_until="2000-01-01T00:00Z")
    sweeping.sweep()


def test_a_dead_workers_run_is_continued(ask: Ask, thread: Thread) -> None:
    _, run = ask("Hello", answer=False)
    assert Run.objects.claim(thread.pk, "dead") is not None
    pending = run.pending_message_id
    lose_worker(run)
    tasks.answer(str(thread.pk))
    run.refresh_from_db()
    assert (run.status, run.attempt, run.messages.get().pk) == ("succeeded", 2, pending)


def test_three_crashes_in_one_step_are_enough(ask: Ask, thread: Thread) -> None:
    _, run = ask("Hello", answer=False)
    for _ in range(3):
        Run.objects.claim(thread.pk, "dead")
        lose_worker(run)
    run.refresh_from_db()
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["kind"] == "crashed"


@pytest.mark.parametrize(("idempotent", "status", "times"), [(True, "succeeded", 1), (False, "unknown", 0)])
def test_a_call_found_running_is_repeated_only_if_that_is_safe(
    ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI, idempotent: bool, status: str, times: int
) -> None:
    effects: list[str] = []

    def pay() -> str:
        """Has an effect."""
        effects.append("paid")
        return "paid"

    offered["payer"] = Agent("payer", tools=[tool(idempotent=idempotent)(pay)])
    _, run = ask("Pay", agent="payer", answer=False)
    claimed = Run.objects.claim(thread.pk, "dead")
    assert claimed is not None
    call = {"type": "tool-input-available", "toolCallId": "01a1fb00-0000-7000-8000-000000000001", "toolName": "pay", "input": {}}
    claimed.save_step([call], 1, {"finish_reason": "tool_calls"}, {call["toolCallId"]: {"status": "running"}})  # type: ignore[dict-item]
    lose_worker(run)
    fake.script(Plan(text="Done."))
    tasks.answer(str(thread.pk))
    run.refresh_from_db()
    assert (run.status, run.tool_calls.get().status, len(effects)) == ("succeeded", status, times)
    told = fake.requests[-1].body["messages"][-1]["content"]
    assert ("unknown" in told) != idempotent


def test_a_worker_that_lost_its_run_writes_nothing_more(ask: Ask, thread: Thread) -> None:
    _, run = ask("[[tokens=100 rate=100]]Hello", answer=False)
    worker = answering(thread)
    until(lambda: Delta.objects.filter(run=run).exists())
    Run.objects.filter(pk=run.pk).update(attempt=7)
    worker.join(5)
    run.refresh_from_db()
    assert (run.status, run.attempt) == ("running", 7)
    assert run.messages.get().status == "pending"


def test_long_work_changes_workers_at_a_step_border(ask: Ask, thread: Thread, busy: Agent, settings: Any) -> None:
    settings.TIME_SLICE_SECONDS = 0
    _, run = ask('[[tool=add {"left":1}]][[next]][[text=Done]]', agent="busy")
    assert (run.status, run.step) == ("queued", 1)
    settings.TIME_SLICE_SECONDS = 300
    tasks.answer(str(thread.pk))
    run.refresh_from_db()
    assert (run.status, run.attempt, ToolCall.objects.count()) == ("succeeded", 2, 1)


@pytest.mark.parametrize("tokens", [0, 1, 3, 5000])
def test_replies_faster_than_a_window_lose_nothing(ask: Ask, tokens: int) -> None:
    for _ in range(3):
        _, run = ask(f"[[tokens={tokens} rate=0 text=]]" if tokens else "[[rate=0 text=' ']]")
        assert run.status == "succeeded", run.error
        assert said(run).split() == [f"w{n}" for n in range(tokens)]
