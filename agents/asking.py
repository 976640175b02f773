"""One model call of a run: what it is told, the tries it takes, and what it cost.

A server that fails in a way that may pass is asked again, a window that is too small is told less, and a structured answer that does
not fit is corrected once.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from agents.accounting import Exchange, account, afford, charged, keep
from agents.agent import Agent
from agents.attachments import sources
from agents.budget import Fitted, characters
from agents.context import messages_for
from agents.errors import AgentError, ContextOverflow, InvalidAnswer, ProviderError, Refused
from agents.persist import persist
from agents.providers import provider_of
from agents.providers.events import Request
from agents.reading import read_step
from agents.structured import format_of
from agents.summaries import sum_up
from agents.worker import Active
from billing.usage import estimate
from threads.models.run import add_usage
from threads.parts import fold

logger = logging.getLogger(__name__)
TRIES = 3
LONGEST_WAIT = 20.0


def ask_model(active: Active, agent: Agent) -> tuple[dict[str, Any], Callable[[], None]]:
    """One model call; returns the columns of its message, and what accounts for it, to be called in the transaction that saves it. A
    structured answer that does not fit is corrected once."""
    told = persist(partial(messages_for, active.run, agent))
    if told.left_out and agent.context_options.summarise and active.run.thread is not None:
        # More than has to be, so that there is room for some turns before the next summary.
        more = persist(partial(messages_for, active.run, agent, max_tokens=told.size // 2)).left_out
        if sum_up(active, agent, more):
            told = persist(partial(messages_for, active.run, agent))
    persist(partial(afford, active.run, agent, told.size))
    request, facts = _ask_within(active, agent, told)
    if agent.output and (problem := _accounted(active, agent, facts)):
        correction = f"Your answer did not fit: {problem}. Answer again, with the corrected JSON only."
        said = [{"role": "assistant", "content": said_so_far(active) or "(nothing)"}, {"role": "user", "content": correction}]
        _void(active, always=True)
        first = persist(partial(charged, active.run, facts))["usage"]
        facts = _call_model(active, agent, replace(request, messages=[*request.messages, *said]))
        if problem := _accounted(active, agent, facts):
            raise InvalidAnswer(f"The answer did not fit, twice: {problem}")
        last = persist(partial(charged, active.run, facts))["usage"]
        return facts | {"usage": add_usage(first, last)}, partial(account, active.run, agent, facts)
    return persist(partial(charged, active.run, facts)), partial(account, active.run, agent, facts)


def _ask_within(active: Active, agent: Agent, told: Fitted) -> tuple[Request, dict[str, Any]]:
    """Ask; if the model's window is smaller than we believe, again with half as much. Returns what counted, and the message's columns."""
    while True:
        request = request_of(agent, told, persist(partial(sources, told.messages)))
        try:
            return request, _call_model(active, agent, request)
        except ContextOverflow:
            smaller = persist(partial(messages_for, active.run, agent, max_tokens=told.size // 2))
            if smaller.size >= told.size:
                raise
            logger.info("run %s: %d tokens were too many, trying %d", active.run.pk, told.size, smaller.size)
            _void(active)
            told = smaller


def request_of(agent: Agent, told: Fitted, files: Mapping[str, str]) -> Request:
    """What the agent's model is asked; `files` are what is sent of the messages' attachments."""
    tools = [tool.schema for tool in agent.toolbox.values()]
    schema = format_of(agent.output).schema if agent.output else None
    return Request(agent.model_name, told.messages, tools, agent.settings, agent.demo, schema, sources=files)


def _accounted(active: Active, agent: Agent, facts: dict[str, Any]) -> str:
    """`_misfit`; a call whose answer is not kept is accounted for here."""
    problem = "refused"
    try:
        problem = _misfit(active, agent, facts)
    finally:
        if problem:
            persist(partial(account, active.run, agent, facts))
    return problem


def _misfit(active: Active, agent: Agent, facts: dict[str, Any]) -> str:
    """What is wrong with a structured answer; empty if nothing is, or if it is no answer yet but asks for tools."""
    if fold(active.stream.said()[0]).calls:
        return ""
    if facts["finish_reason"] == "refusal":
        raise Refused(said_so_far(active))
    try:
        format_of(agent.output).read(said_so_far(active))
    except ValueError as error:
        return str(error)[:1000]
    return ""


def said_so_far(active: Active) -> str:
    """The words of the present model call."""
    return "".join(part["text"] for part in fold(active.stream.said()[0]).content if part["type"] == "text")


def _call_model(active: Active, agent: Agent, request: Request) -> dict[str, Any]:
    """Ask, and again if the model's server fails in a way that may pass."""
    tried = 0
    active.stream.interval = agent.streaming.interval
    while True:
        tried += 1
        try:
            return _read_or_account(active, agent, request)
        except ProviderError as error:
            active.forgive()
            wait = error.retry_after if error.retry_after is not None else 0.25 * 2**tried
            if not error.retryable or tried == TRIES or wait > LONGEST_WAIT:
                raise
            logger.info("run %s: %s Asking again in %.1f s.", active.run.pk, error, wait)
            _void(active)
            active.wait(wait)


def _read_or_account(active: Active, agent: Agent, request: Request) -> dict[str, Any]:
    """A call that breaks or is stopped after its first words costs what it costs; nobody tells how much, so it is estimated."""
    try:
        return _read(active, agent, request)
    except AgentError:
        parts, count = active.stream.said()
        if count:
            said = sum(len(part.get("delta") or part.get("inputTextDelta") or "") for part in parts)
            usage = estimate(characters(request.messages), said).as_json()
            persist(partial(account, active.run, agent, {"provider": provider_of(request.model), "model": request.model, "usage": usage}))
        raise


def _read(active: Active, agent: Agent, request: Request) -> dict[str, Any]:
    """One request, shown to whoever wants to see it raw."""
    if not (agent.on_request or agent.log_requests):
        return dict(active.read(partial(read_step, request, active.stream, agent.streaming)))
    run, began = active.run, time.monotonic()
    seen: list[Exchange] = []

    def tap(body: dict[str, Any], came: list[Any], error: str) -> None:
        seen.append(Exchange(run, agent.name, run.step, run.attempt, body, came, error, time.monotonic() - began))

    try:
        return dict(active.read(partial(read_step, replace(request, tap=tap), active.stream, agent.streaming)))
    finally:
        for exchange in seen:
            persist(partial(keep, exchange, agent))


def _void(active: Active, *, always: bool = False) -> None:
    """If the failed call has shown something, it belongs to an attempt that is over."""
    run = active.run
    if always or active.stream.said()[1]:
        with active.moving():
            active.stream.restart(run.attempt + 1, run.step, run.base)
            persist(run.next_attempt)
