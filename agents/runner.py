"""The loop that turns a prompt into an answer: context → model → rows → tools → again, until nothing more is asked for.

Everything it needs to go on is in rows, so a run may change workers between any two lines of `_answer`. It holds no database
connection while it waits for a model or a tool.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from agents import people, services
from agents.agent import Agent
from agents.asking import ask_model, said_so_far
from agents.errors import AgentError, Drained, LeaseLost
from agents.handoffs import HAND_OVER
from agents.people import HUMAN, WAITING
from agents.persist import persist
from agents.registry import get_agent
from agents.results import steps_of
from agents.structured import format_of
from agents.tool_runs import outcome_part, run_calls, verdicts_for
from agents.unsaved import AnyRun, UnsavedRun
from agents.worker import Active
from threads.models import Run, ToolCall
from threads.parts import fold, text_parts

logger = logging.getLogger(__name__)
BUG = {"kind": "internal", "message": "Something went wrong on our side.", "retryable": True, "retry_after": None}


def answer(active: Active, agent: Agent | None = None) -> None:
    """Answer the claimed run's prompt to its end, as the agent it names or as the one given. Leaves the row truthful whatever happens."""
    try:
        _answer(active, agent or agent_for(active.run))
    except LeaseLost:
        logger.info("run %s was stopped or taken over", active.run.pk)
        if isinstance(active.run, UnsavedRun):
            _end(active, Run.Status.STOPPED)
    except Drained as error:
        if isinstance(active.run, UnsavedRun):
            _end(active, Run.Status.FAILED, error.as_json())
        else:
            _requeue(active, active.run)
    except AgentError as error:
        _end(active, Run.Status.FAILED, error.as_json())
    except Exception as error:
        if isinstance(error, OperationalError | InterfaceError) and isinstance(active.run, Run):
            # For longer than `persist` is patient, or in code of others. Without a heartbeat the run is taken over, three times at most.
            logger.warning("the database was away (%s); the run is left to whoever takes it over", type(error).__name__)
            return
        _end(active, Run.Status.FAILED, BUG)
        raise


def _requeue(active: Active, run: Run) -> None:
    active.leave()
    try:
        persist(partial(services.requeue, run))
    except LeaseLost:
        logger.info("run %s was handed over already", run.pk)


def agent_for(run: AnyRun) -> Agent:
    """The agent a run names, as its thread and the call want it: call over thread over agent."""
    wanted = get_agent(run.agent)
    thread = run.thread.options if run.thread else {}
    return wanted.in_thread(thread).stored(run.options)


def _answer(active: Active, agent: Agent) -> None:
    run, limit = active.run, agent.steps
    going_on = _begin(active, agent)
    if going_on is None:
        return
    agent = going_on
    while True:
        facts, bill = ask_model(active, agent)
        parts, count = active.stream.said()
        calls = fold(parts).calls
        if not calls:
            break
        verdicts = persist(partial(verdicts_for, agent, run, calls))
        for pk, columns in verdicts.items():
            if columns["status"] == ToolCall.Status.FAILED:
                active.stream.heard(outcome_part(pk, columns))
        save = partial(run.save_step, parts, count, facts, verdicts, active.stream.rest())
        persist(partial(_write_all, save, bill))
        if _settle_calls(active, agent, recovering=False) == "pause":
            return
        agent = _hand_over(active, agent)
        if run.step + 1 >= limit or (agent.stop_when and agent.is_done(steps_of(*persist(run.said)))):
            _end(active, Run.Status.SUCCEEDED)
            return
        _open_step(active)
    escalates = agent.escalate is not None and agent.escalate(format_of(agent.output).read(said_so_far(active)))
    _end(active, Run.Status.SUCCEEDED, facts=facts, wants_human=escalates, bill=bill)


def _begin(active: Active, agent: Agent) -> Agent | None:
    """Who makes the next model call: at the start whom the agent's route names, after a pause or a crash whoever was at it. None if
    there is nothing to do for now."""
    run = active.run
    if run.pending_message is None:
        if _settle_calls(active, agent, recovering=True) == "pause":
            return None
        agent = _hand_over(active, agent)
        _open_step(active)
    elif agent.route and run.step == 0 and run.base == 0:
        name = agent.route(run)
        connection.close()
        if name == HUMAN:
            _end(active, Run.Status.SUCCEEDED, facts={"finish_reason": "human"}, said=WAITING, wants_human=True)
            return None
        if name not in ("", agent.name):
            persist(partial(run.hand_over, name))
            return agent_for(run)
    return agent


def _settle_calls(active: Active, agent: Agent, *, recovering: bool) -> str:
    """Run the step's calls, also those that are approved meanwhile; `pause` when a person has to decide about the rest, else `next`."""
    begun = run_calls(active, agent, set(), recovering=recovering)
    while (after := persist(partial(active.run.after_calls, begun))) == "run":
        begun |= run_calls(active, agent, begun, recovering=False)
    return after


def _hand_over(active: Active, agent: Agent) -> Agent:
    """Who goes on: the agent itself, unless it has just passed the conversation to another one."""
    if HAND_OVER not in agent.toolbox:
        return agent
    run = active.run
    passed = [call.result["to"] for call in persist(run.said)[1] if call.step == run.step and call.tool == HAND_OVER and call.result]
    if not passed:
        return agent
    name = passed[0]
    given = next((each for each in agent.handoffs if isinstance(each, Agent) and each.name == name), None)
    persist(partial(run.hand_over, name))
    return given.in_thread(run.thread.options if run.thread else {}) if given else agent_for(run)


def _open_step(active: Active) -> None:
    """The border between two steps, where a run may change workers."""
    run = active.run
    persist(run.open_step)
    active.stream.restart(run.attempt, run.step, run.base)
    if active.worker.draining or (active.shared and time.monotonic() - active.started > settings.TIME_SLICE_SECONDS):
        raise Drained("Another worker goes on.")


def _end(
    active: Active,
    status: str,
    error: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
    *,
    said: str = "",
    wants_human: bool = False,
    bill: Callable[[], None] = lambda: None,
) -> None:
    """End the run with what it has said, or with the words `said`, and account for its last model call. If somebody else ended it
    meanwhile, theirs counts; the call was made nevertheless."""
    for part in text_parts(said) if said else []:
        active.stream.put(active.run.attempt, part)
    parts, count = active.stream.said() if active.run.pending_message else ([], 0)
    rest = active.stream.rest() if count else []
    active.leave()
    said_last = {"attempt": active.run.attempt, "parts": parts, "count": count, "facts": facts, "rest": rest}
    end = partial(services.end_run, active.run, status, error, **said_last)
    try:
        persist(partial(_write_all, end, bill, partial(people.want_human, active.run.thread_id) if wants_human else None))
        logger.info("%s at step %d, attempt %d", status, active.run.step, active.run.attempt)
    except LeaseLost:
        logger.info("run %s had ended already", active.run.pk)
        persist(bill)


def _write_all(*writes: Callable[[], object] | None) -> None:
    with transaction.atomic():
        for write in writes:
            if write is not None:
                write()
