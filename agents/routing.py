"""Who answers next. Five ways, from the plainest to the cleverest:

1. stored on the thread: `assigned_to` (a person took over) and `default_agent`; see `agents.people`
2. a cheap model decides:            Agent("desk", route=by_model({"support": "orders and parcels", HUMAN: "complaints"}))
3. sample questions decide:          Agent("desk", route=by_samples())            # the samples are edited in the admin
4. a structured answer says so:      Agent("desk", output=Reply, escalate=lambda reply: reply.needs_human)
5. a tool whose result is a person's reply: `@tool(by_person=True)`; see `agents.tools`

A route is a function of the run: it returns an agent's name, HUMAN (the conversation then waits for a person), or "" (the agent asked).
It is called once, before the first model call of an answer.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from agents.agent import Agent
from agents.generating import generate
from agents.models import RoutingSample
from agents.people import HUMAN, WAITING

if TYPE_CHECKING:
    from agents.unsaved import AnyRun

__all__ = ["HUMAN", "WAITING", "Route", "by_model", "by_samples"]
Route = Callable[["AnyRun"], str]


def by_samples(neighbours: int = 5, least: float = 0.2) -> Route:
    """Vote of the sample questions nearest to the prompt, weighted by similarity; "" if none is at least that similar."""

    def route(run: "AnyRun") -> str:
        question = run.prompt.text if run.prompt else ""
        votes: defaultdict[str, float] = defaultdict(float)
        for sample, similarity in RoutingSample.objects.nearest(question, neighbours):
            if similarity >= least:
                votes[sample.answered_by] += similarity
        return max(votes, key=lambda name: votes[name]) if votes else ""

    return route


def by_model(choices: Mapping[str, str], *, model: str = "", demo: Any = None) -> Route:
    """A model chooses among names by what each is for. `model` should be a fast and cheap one; empty: the site's."""

    def route(run: "AnyRun") -> str:
        question = run.prompt.text if run.prompt else ""
        return str(generate(triage, question, user=run.requested_by).object)

    told = "\n".join(f"- {name}: {what}" for name, what in choices.items())
    triage = Agent(
        "triage",
        instructions=f"You decide who answers a message. You never answer it yourself. Choose one of:\n{told}",
        model=model,
        output=Literal[tuple(choices)],
        demo=demo,
    )
    return route
