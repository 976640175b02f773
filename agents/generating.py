"""Answers in this process: for tasks, commands, tests and shells. (`agents.services.send` queues one for the workers instead.)

    answer = generate("weather", "How is it in Oslo?")                       # nothing is saved
    answer = generate(agent, "And tomorrow?", thread=thread, user=alice)     # saved, and streamed to every open page
    answer = generate(agent, thread=thread, prompt_message=saved_question)   # answers a row; goes on where an answer left off

    with stream(agent, "A long story", thread=thread, user=alice) as parts:
        for text in parts.texts():
            print(text, end="")

Options of the call (`model=`, `instructions=`, `tools=`, `steps=`, `stop_when=`, `settings=`, …) count before those of the thread
(`thread.options`), and these before the agent's. The answer is written in a thread of its own: who stops iterating loses nothing.
"""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

from django.db import connection
from django.utils.translation import gettext

from agents import runner, services
from agents.agent import Agent, StoredOptions
from agents.errors import AnswerFailed, BadInput, Busy, LeaseLost
from agents.process import process
from agents.registry import get_agent
from agents.results import Answer, steps_of
from agents.structured import format_of
from agents.unsaved import AnyRun, UnsavedRun
from agents.worker import Active
from threads.connections import release
from threads.figures import NAME
from threads.files import stored
from threads.models import File, Message, Run, Thread, User
from threads.parts import Part
from threads.saving import Given, parsed, save_in
from threads.schemas import NewMessage
from threads.tail import Tail

# Takes the place of a part when what the present step has said so far is void: the model is asked again.
RESTART: Part = {"type": "data-restart"}
FOLLOW_SECONDS = 0.1
Save = Literal["prompt_and_output", "all", "none"]
Prompt = str | Sequence[Given]


def generate(agent: Agent | str, prompt: Prompt = (), **how: Any) -> Answer:
    """The whole answer; the arguments are those of `stream`. Raises AnswerFailed, Busy and BadInput."""
    with stream(agent, prompt, **how) as parts:
        return parts.wait()


def stream(
    agent: Agent | str,
    prompt: Prompt = (),
    *,
    thread: Thread | None = None,
    user: User | None = None,
    on_behalf_of: User | None = None,
    messages: Sequence[Given] = (),
    prompt_message: Message | None = None,
    save: Save = "prompt_and_output",
    **options: Any,
) -> "AnswerStream":
    """Begin to answer, and return the parts as they come.

    prompt: what is asked, as text or messages. messages: what the model is told before it; only the last one is saved, and only
    without a prompt, unless save="all"; with save="none" neither is, nor the answer. prompt_message: a saved row to be answered; a
    prompt besides is told to the model in its place, and not saved. on_behalf_of: whose question it is, if `user` only pays. Raises Busy
    if the thread is answering, and BadInput.
    """
    wanted = get_agent(agent) if isinstance(agent, str) else agent
    wanted = wanted.in_thread(thread.options if thread else {}).using(**options)
    asked: list[Given] = [prompt] if isinstance(prompt, str) else list(prompt)
    if thread is None or save == "none":
        if thread is None and prompt_message is not None:
            raise BadInput("thread", gettext("A saved prompt is answered in its thread."))
        return AnswerStream(_unsaved(wanted, user, on_behalf_of, thread, [*messages, *asked], prompt_message), wanted)
    told, before = stored(parsed(asked)), stored(parsed(messages))
    return AnswerStream(_saved(wanted, user, on_behalf_of, thread, told, before, prompt_message, save, _as_stored(options)), wanted)


def resume(thread: Thread, agent: Agent | None = None) -> "AnswerStream | None":
    """Answer the thread's oldest queued prompt, or go on with an answer after a decision, in this process; None if there is nothing
    to do. The agent is the one the run names, unless it is given."""
    run = Run.objects.claim(thread.pk, NAME)
    return AnswerStream(run, agent or runner.agent_for(run)) if run else None


def follow(run: Run, agent: Agent | None = None, *, take_up: bool = False) -> "AnswerStream":
    """The parts of an answer that others write, from its beginning if that is not five minutes old; `wait` waits for them.

    With `take_up` it is written here if it is queued and nobody else begins.
    """
    return AnswerStream(run, agent or runner.agent_for(run), here=False, take_up=take_up)


class AnswerStream:
    """The parts of an answer while it is written (AI SDK UI message chunks, and RESTART), once; then `wait` has the whole."""

    def __init__(self, run: AnyRun, agent: Agent, *, here: bool = True, take_up: bool = False) -> None:
        self.run, self.agent = run, agent
        self._here, self._take_up = here, take_up
        self._parts: queue.SimpleQueue[Part | None] = queue.SimpleQueue()
        self._active: Active | None = None
        self._thread = threading.Thread(target=self._work, name=f"answer-{run.pk}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaving early stops nothing: the answer is written to its end."""

    def __iter__(self) -> Iterator[Part]:
        release()
        while (part := self._parts.get()) is not None:
            yield part

    def texts(self) -> Iterator[str]:
        """Only the words of the answer, as they come."""
        return (part["delta"] for part in self if part["type"] == "text-delta")

    def objects(self) -> Iterator[Any]:
        """The structured answer as far as it has come, each time there is more of it: plain JSON, not validated yet."""
        text, last = "", None
        for part in self:
            if part["type"] in ("data-restart", "start-step"):
                text = ""
            elif part["type"] == "text-delta":
                text += part["delta"]
                value = format_of(self.agent.output).partial(text)
                if value is not None and value != last:
                    last = value
                    yield value

    def wait(self) -> Answer:
        """The whole answer, at its end. Raises AnswerFailed."""
        release()
        self._thread.join()
        answer = self._answer()
        if answer.error:
            raise AnswerFailed(answer.error, answer)
        return answer

    def ended(self, seconds: float = 0) -> bool:
        """Whether it has ended, or waits for a person; waits for that so long at most."""
        release()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End the answer as stopped; what was said is kept."""
        if isinstance(self.run, Run):
            services.stop(self.run)
        elif self._active:
            self._active.interrupt(LeaseLost("Stopped."))

    def _work(self) -> None:
        try:
            if self._here:
                self._write(self.run)
            if isinstance(self.run, Run):
                self._follow(self.run)
        finally:
            connection.close()
            self._parts.put(None)

    def _write(self, run: AnyRun) -> None:
        with process().active(run) as active:
            self._active = active
            active.stream.heard = self._hear
            runner.answer(active, self.agent)

    def _hear(self, part: Part | None) -> None:
        self._parts.put(RESTART if part is None else part)

    def _follow(self, run: Run) -> None:
        """Others write it, or went on with it when this worker was told to leave."""
        tail = Tail(run)
        if self._here:
            run.refresh_from_db()
            tail = Tail(run, run.base)
        while True:
            for part in tail.read():
                self._hear(part)
            if run.status not in (Run.Status.QUEUED, Run.Status.RUNNING):
                return
            if self._take_up and (claimed := Run.objects.claim(run.thread_id, NAME)):
                self._write(claimed)
                tail.cursor = claimed.base
            connection.close()
            time.sleep(FOLLOW_SECONDS)

    def _answer(self) -> Answer:
        run = self.run
        if isinstance(run, Run):
            run.refresh_from_db()
        messages, calls = run.said()
        steps = steps_of(messages, calls)
        # Somebody else may have answered: a person is waited for, or another agent was handed the conversation.
        own = run.agent == self.agent.name and bool(steps) and steps[-1].message.finish_reason != "human"
        whole = own and self.agent.output is not None and run.status == Run.Status.SUCCEEDED and not steps[-1].tool_calls
        value = format_of(self.agent.output).read(steps[-1].text) if whole else None
        saved = run if isinstance(run, Run) else None
        return Answer(run.status, messages, steps, run.usage, run.error, saved, saved.thread if saved else None, value)


def _unsaved(
    agent: Agent, user: User | None, other: User | None, thread: Thread | None, given: list[Given], prompt: Message | None
) -> UnsavedRun:
    return UnsavedRun(agent.name, user, parsed(given), thread, prompt, on_behalf_of=other)


def _saved(
    agent: Agent,
    user: User | None,
    other: User | None,
    thread: Thread,
    asked: list[NewMessage],
    messages: list[NewMessage],
    prompt: Message | None,
    save: Save,
    options: dict[str, Any],
) -> Run:
    """The inputs, a run of this process and its pending row, in one transaction."""
    with Thread.changing(thread.pk) as change:
        if change.thread.runs.live().exists():
            raise Busy(gettext("An answer is being written."))
        given: dict[str, Any] = {}
        if prompt is not None:
            given = _given(messages, asked)
        else:
            kept = [*messages, *asked] if save == "all" else asked or messages[-1:]
            given = _given(messages[: len(messages) + len(asked) - len(kept)], [])
            rows = save_in(change, kept, author=other or user)
            prompt = rows[-1] if rows else None
            given |= {"before": str(rows[0].pk)} if given and rows else {}
        order = prompt.order if prompt else max(change.thread.last_order, 0)
        people = {"requested_by": user, "on_behalf_of": other}
        run = Run(thread=change.thread, prompt=prompt, order=order, agent=agent.name, given=given, options=options, **people)
        run.begin(change, NAME)
        run.files.add(*File.objects.filter(pk__in=_files_of(given)))
    return run


def _as_stored(options: dict[str, Any]) -> dict[str, Any]:
    """The options that another worker can go on with if this process is told to leave."""
    plain = {name: value for name, value in options.items() if name in StoredOptions.model_fields and value is not None}
    if any(not isinstance(each, str) for each in plain.get("tools", [])):
        del plain["tools"]
    return StoredOptions.model_validate(plain).model_dump(exclude_unset=True)


def _given(messages: list[NewMessage], prompt: list[NewMessage]) -> dict[str, Any]:
    told = [new.model_dump(by_alias=True, include={"role", "content"}) for new in messages]
    given: dict[str, Any] = {"messages": told} if told else {}
    if prompt:
        parts = [part for new in prompt for part in new.content]
        given["prompt"] = "\n\n".join(part.text for part in parts if part.type == "text")
        files = [part.model_dump(by_alias=True) for part in parts if part.type == "file"]
        given |= {"files": files} if files else {}
    return given


def _files_of(given: dict[str, Any]) -> set[str]:
    """The ids of the stored files that it names."""
    parts = [*given.get("files", []), *(part for message in given.get("messages", []) for part in message["content"])]
    return {part["file"] for part in parts if part["type"] == "file" and "file" in part}
