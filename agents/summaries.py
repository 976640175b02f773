"""The rolling summary: what has no room in a model's window is summed up, so that it is not just forgotten."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings

from agents import providers
from agents.accounting import account
from agents.budget import Turn, shorten
from agents.errors import ContextOverflow, ProviderError
from agents.persist import persist
from agents.providers.demo import Say
from agents.providers.demo import Turn as DemoTurn
from agents.providers.events import Finish, Request, Text
from billing.usage import estimate
from threads.models import Message, Run, Thread

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.worker import Active

logger = logging.getLogger(__name__)
TOLD = (
    "You keep the minutes of a conversation. Write a summary of it that replaces what you are given: who wants what, what was found out,"
    " decided and promised, names, numbers and dates as they were said. At most 300 words, no introduction."
)
MAX_SUMMARY = 6000


def sum_up(active: "Active", agent: "Agent", turns: Sequence[Turn]) -> bool:
    """Write what these turns of the run's thread say into its summary; says whether it did. A model that fails costs a log line:
    then the turns are just left out."""
    run = active.run
    thread = run.thread
    if thread is None or not isinstance(run, Run):
        return False
    known = -1 if thread.summarised_to is None else thread.summarised_to
    rows = [row for turn in turns if turn.recent for row in turn.rows if row.order > known]
    if not rows:
        return False
    minutes, most = _minutes(rows, agent.window), min(MAX_SUMMARY, agent.window // 2)
    asked = f"The summary so far:\n{thread.summary}\n\nWhat was said after that:\n{minutes}" if thread.summary else minutes
    messages = [{"role": "system", "content": TOLD}, {"role": "user", "content": asked}]
    request = Request(settings.SUMMARY_MODEL or agent.model_name, messages, script=play_summary)
    try:
        summary, facts = active.read(partial(_collect, request))
    except (ProviderError, ContextOverflow) as error:
        active.forgive()
        logger.warning("thread %s was not summed up: %s", thread.pk, error)
        return False
    persist(partial(_save, thread, summary.strip()[:most], max(row.order for row in rows)))
    persist(partial(account, run, agent, facts, "summary"))
    return True


async def _collect(request: Request, heard: Callable[[], None]) -> tuple[str, dict[str, Any]]:
    """The text of an answer, and what is known of the call."""
    pieces = []
    facts: dict[str, Any] = {}
    async with aclosing(providers.stream(request)) as events:  # type: ignore[type-var]
        async for event in events:
            heard()
            if isinstance(event, Text):
                pieces.append(event.text)
            if isinstance(event, Finish):
                usage = event.usage or estimate(len(str(request.messages)), sum(map(len, pieces)))
                facts = {"provider": event.provider, "model": event.model[:200], "usage": usage.as_json()}
    return "".join(pieces), facts


def _minutes(rows: Sequence[Message], window: int) -> str:
    """The rows as a transcript that fits into half of the window."""
    said = [f"{row.author.name if row.author else row.agent_name or row.role}: {row.text}" for row in rows if row.text.strip()]
    chars = max(200, window // max(1, len(said)))
    return shorten("\n".join(shorten(line, chars) for line in said), window)


def _save(thread: Thread, summary: str, order: int) -> None:
    with Thread.changing(thread.pk) as change:
        change.update_thread(summary=summary, summarised_to=order)
    thread.summary, thread.summarised_to = summary, order


def play_summary(turn: DemoTurn) -> Iterator[Say]:
    """The first words of each line, as far as they go."""
    yield Say(" / ".join(line[:80] for line in turn.prompt.splitlines() if line.strip())[:1000])
