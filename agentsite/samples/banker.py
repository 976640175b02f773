"""Approvals: looking is free, a transfer above 100 needs a person's yes, deleting an account always does."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from agents.agent import Agent
from agents.errors import ToolError
from agents.providers.demo import NOTICE, Say, Turn, Use
from agents.tools import ToolContext, tool
from agentsite.samples.preferences import changing_preferences
from threads.models import User

OPENING = {"checking": 840, "savings": 2500, "holidays": 120}
FREE_UP_TO = 100
Account = Annotated[str, Field(description=f"The account's name, such as {', '.join(OPENING)}")]
Amount = Annotated[int, Field(gt=0, le=100_000, description="Whole euros")]


def check_balance(context: ToolContext) -> dict[str, int]:
    """What is on each of the person's accounts, in euros."""
    return _accounts(User.objects.get(pk=context.user.pk).preferences)


def _is_large(context: ToolContext, source: str, target: str, amount: int) -> bool:
    del context, source, target
    return amount > FREE_UP_TO


@tool(needs_approval=_is_large)
def transfer(context: ToolContext, source: Account, target: Account, amount: Amount) -> dict[str, int]:
    """Move money from one account to another. Above 100 euros a person has to approve it."""
    with changing_preferences(context) as preferences:
        accounts = _accounts(preferences)
        _require(accounts, source, target)
        if accounts[source] < amount:
            raise ToolError(f"There are only {accounts[source]} euros on {source}.")
        accounts[source] -= amount
        accounts[target] += amount
        preferences["accounts"] = accounts
    return accounts


@tool(needs_approval=True)
def delete_account(context: ToolContext, account: Account) -> dict[str, int]:
    """Delete an account and what is on it. A person always has to approve it."""
    with changing_preferences(context) as preferences:
        accounts = _accounts(preferences)
        _require(accounts, account)
        del accounts[account]
        preferences["accounts"] = accounts
    return accounts


def _accounts(preferences: dict[str, Any]) -> dict[str, int]:
    return dict(preferences.get("accounts", OPENING))


def _require(accounts: dict[str, int], *names: str) -> None:
    for name in names:
        if name not in accounts:
            raise ToolError(f"There is no account {name[:40]!r}. There are: {', '.join(accounts) or 'none'}.")


def play(turn: Turn) -> Iterator[Say | Use]:
    """Do what the prompt names, then report."""
    said = turn.prompt.lower()
    named = [name for name in re.findall(r"\w+", said) if name in OPENING]
    amounts = [int(number) for number in re.findall(r"\d+", said)]
    if not turn.results and "delete" in said and named:
        yield from (Use("delete_account", {"account": name}) for name in named)
    elif not turn.results and amounts:
        source, target = (*named, "checking", "savings")[:2] if len(named) != 1 else ("checking", named[0])
        yield from (Use("transfer", {"source": source, "target": target, "amount": amount}) for amount in amounts)
    elif not turn.results:
        yield Use("check_balance", {})
    else:
        yield from (Say(_report(result) + "\n\n") for _, result in turn.results)
        yield Say(NOTICE)


def _report(result: Any) -> str:
    if not isinstance(result, dict):
        return str(result).removeprefix("Error: ")
    rows = "".join(f"| {name} | {amount:,} € |\n" for name, amount in result.items())
    return f"| Account | Balance |\n| --- | ---: |\n{rows}" if rows else "There is no account left."


banker = Agent(
    name="banker",
    title=_("Banker"),
    description=_("Moves play money; asks you before larger sums."),
    instructions="You look after the person's accounts. Use the tools, never guess a balance, and say briefly what was done.",
    tools=[check_balance, transfer, delete_account],
    examples=["What is on my accounts?", "Move 80 from checking to holidays.", "Move 400 and 250 to savings."],
    demo=play,
)
