"""What a prompt has to pass before it is answered, what its answer takes, and what a person is told of it.

All of it happens in the transaction that saves the prompt, or the step: what is rolled back was neither taken nor spent.
"""

import time
from dataclasses import dataclass

from billing import budgets, limits
from billing.models import Account, Budget, Limit
from billing.shapes import Left, LimitLeft
from threads.models import Thread, User


@dataclass(frozen=True)
class Asker:
    """Who asks, by which API key if it is a program, and whom."""

    user: User
    agent: str

    def key(self, per: str) -> str | None:
        """Under which key a limit counts them; None if it does not."""
        if per == Limit.Per.API_KEY:
            return None if self.user.api_key is None else str(self.user.api_key)
        return _key(per, str(self.user.pk), self.agent)


def estimate(thread: Thread, question: str) -> float:
    """So many tokens will an answer take: four characters are one, an answer is three times its question, and the newest of the last two
    rows that tells its usage says how long the conversation is."""
    asked = len(question) / 4
    last = thread.messages.order_by("-order", "-step_order").values_list("usage", flat=True)[:2]
    return asked + 3 * asked + 1 + next((usage["total"] for usage in last if usage), 0)


def admit(asker: Asker, tokens: float | None) -> None:
    """Take a message from the limits, and look whether they have so many tokens; None: nobody will be asked. Raises LimitExceeded."""
    for limit in limits.active():
        key = asker.key(limit.per)
        if key is None:
            continue
        if limit.counts == Limit.Counts.MESSAGES:
            limits.limit(limit, key)
        elif limit.counts == Limit.Counts.TOKENS and tokens is not None:
            limits.check(limit, key, tokens)


def take(user: str | None, agent: str, tokens: int) -> None:
    """Take what a model call took; the limits may get into debt."""
    for limit in limits.active():
        key = _key(limit.per, user, agent)
        if limit.counts == Limit.Counts.TOKENS and key is not None:
            limits.reserve(limit, key, tokens)


def state(user: User) -> Left:
    """What a person's pages show: of each limit that is theirs or everybody's, what is left and when there will be something again; and
    how far their budget is used up."""
    now = time.time()
    shown: list[LimitLeft] = []
    for limit in limits.active():
        if not limit.counts or limit.per not in (Limit.Per.USER, Limit.Per.SITE):
            continue
        left = limits.left(limit, _key(limit.per, str(user.pk), "") or "")
        if left is not None:
            retry_at = now + left.retry_after if left.retry_after else None
            told: LimitLeft = {"name": limit.name, "counts": limit.counts, "per": limit.per, "retry_at": retry_at}
            if limit.per == Limit.Per.USER:
                told |= {"left": left.value, "capacity": left.capacity, "flow": left.flow}
            shown.append(told)
    account = Account.objects.filter(pk=user.pk).select_related("plan").first() or Account(pk=user.pk)
    theirs = [budget for budget in budgets.applying(account) if budget.kind != Budget.Kind.SITE]
    spent = [budgets.state_of(budget, account).as_json() for budget in theirs]
    return {"type": "limits", "server_time": now, "limits": shown, "budgets": spent}


def _key(per: str, user: str | None, agent: str) -> str | None:
    return {Limit.Per.USER: user, Limit.Per.AGENT: agent, Limit.Per.SITE: ""}.get(Limit.Per(per))
