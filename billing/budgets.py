"""What may be spent in a month: set aside before an answer is written, taken when its calls are in the ledger.

What is set aside counts while its run lives, so nothing has to be given back, whoever dies. Sends that would count the same money wait
for each other; model calls only add, each to a row of its own of several.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_noop

from billing import credits
from billing.models import Account, Budget, Reservation, Scope, Spending, UsageRecord
from billing.models.budget import PLACES
from billing.periods import Month
from billing.pricing import priced_call
from billing.shapes import BudgetLeft
from threads.errors import AgentError
from threads.models import Run
from threads.words import localized

SHARDS = {Scope.USER: 1, Scope.AGENT: 8, Scope.SITE: 8}
SCOPES = {Budget.Kind.USER: Scope.USER, Budget.Kind.PLAN: Scope.USER, Budget.Kind.AGENT: Scope.AGENT, Budget.Kind.SITE: Scope.SITE}
USED_UP = {
    Scope.USER: gettext_noop("Your budget for this month is used up (%(amounts)s). The next one begins on %(day)s."),
    Scope.AGENT: gettext_noop("This agent's budget for this month is used up. The next one begins on %(day)s."),
    Scope.SITE: gettext_noop("The site's budget for this month is used up. The next one begins on %(day)s."),
}
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('budget ' || %s, 0))"
ADD = """
INSERT INTO billing_spending AS s (scope, key, month, currency, shard, amount)
SELECT * FROM unnest(%s::text[], %s::text[], %s::date[], %s::text[], %s::int[], %s::numeric[])
ON CONFLICT (scope, key, month, currency, shard) DO UPDATE SET amount = s.amount + excluded.amount
"""
NOTHING = Decimal(0)


class BudgetExceeded(AgentError):
    """There is not so much left of this month's budget; there is again when the next one begins."""

    kind: ClassVar[str] = "budget_exceeded"

    def __init__(self, state: "State") -> None:
        day = date_format(state.month.next.first, gettext("F j"))
        ends = gettext(USED_UP[state.scope]) % {"amounts": state.in_words, "day": day}
        super().__init__(gettext("Your credit is used up. Answers go on when there is new credit.") if state.is_credit else ends)
        self.state = state

    def details(self) -> dict[str, Any]:
        """Whose budget it is, and when there is another one. What others have spent is not said."""
        told = self.state.as_json()
        return {**told} if self.state.scope == Scope.USER else {"scope": told["scope"], "resets_at": told["resets_at"]}


class PriceUnknown(AgentError):
    """Nobody knows what this would cost, and there is a budget to keep."""

    kind: ClassVar[str] = "price_unknown"


@dataclass(frozen=True)
class State:
    """A budget in this month: what was spent of it, and what is set aside for answers that are being written."""

    budget: Budget
    scope: Scope
    month: Month
    zone: str
    currency: str
    spent: Decimal
    reserved: Decimal
    is_credit: bool = False

    @property
    def left(self) -> Decimal:
        """What may still be spent."""
        return self.budget.amount - self.spent - self.reserved

    @property
    def in_words(self) -> str:
        """For people."""
        amounts = {"part": localized(f"{self.spent:.2f}"), "whole": localized(f"{self.budget.amount:.2f}"), "currency": self.currency}
        return gettext("%(part)s of %(whole)s %(currency)s") % amounts

    def as_json(self) -> BudgetLeft:
        """As pages and programs are told; money as text."""
        return {
            "scope": self.scope,
            "amount": f"{self.budget.amount:f}",
            "spent": f"{round(self.spent, 6):f}",
            "reserved": f"{round(self.reserved, 6):f}",
            "currency": self.currency,
            "resets_at": self.month.ends(self.zone).isoformat(),
        }


@transaction.atomic
def reserve(run_id: UUID, user_id: UUID | None, agent: str, estimate: UsageRecord) -> None:
    """Have set aside for a run at least what `estimate` says that its next call will take. Without a budget, nothing happens.

    Raises BudgetExceeded if there is not so much, PriceUnknown if nobody can say. As part of the caller's transaction.
    """
    account = Account.objects.of(user_id)
    budgets = list(applying(account, agent))
    if not budgets and not account.is_prepaid:
        return
    with connection.cursor() as cursor:
        for name in sorted({f"{Scope.USER} {account.pk}", *(_lock_name(budget, account) for budget in budgets)}):
            cursor.execute(LOCK, [name])
    charge, cost, is_known = money(estimate, account)
    if not is_known:
        said = gettext("No price is known for %(model)s, so its budget cannot be kept. Ask whoever runs this site.")
        raise PriceUnknown(said % {"model": estimate.model})
    held = Reservation.objects.filter(pk=run_id).first() or Reservation(
        run_id=run_id, user_id=user_id, agent=agent, charge=NOTHING, cost=NOTHING
    )
    more_charge, more_cost = max(NOTHING, charge - held.charge), max(NOTHING, cost - held.cost)
    for state in [*(state_of(budget, account) for budget in budgets), *_prepaid(account)]:
        wanted = more_charge if state.scope == Scope.USER else more_cost
        if wanted and state.left < wanted:
            raise BudgetExceeded(state)
    held.charge, held.cost = held.charge + more_charge, held.cost + more_cost
    held.save()


def settle(record: UsageRecord) -> None:
    """Count what a row of the ledger cost, in place of what was set aside for it. What has no price yet is counted by
    `billing.reconciling.recount`."""
    account = Account.objects.of(record.user_id)
    charge, cost, _ = money(record, account)
    add(_counted(record.created_at, account, record.agent, charge, cost))
    Reservation.objects.filter(pk=record.run_id).update(
        charge=Greatest(F("charge") - charge, NOTHING), cost=Greatest(F("cost") - cost, NOTHING)
    )


def _prepaid(account: Account) -> "list[State]":
    """The credit of who may spend no more than that, as a budget."""
    if not account.is_prepaid:
        return []
    month = Month.of(timezone.now(), account.zone)
    today = timezone.now().astimezone(ZoneInfo(account.zone)).date()
    amount = credits.left(account, today)
    held = Reservation.objects.filter(run_id__in=Run.objects.live().values("pk"), user_id=account.user_id)
    reserved = held.aggregate(sum=Sum("charge"))["sum"] or NOTHING
    budget = Budget(kind=Budget.Kind.USER, key=str(account.pk), amount=max(NOTHING, amount))
    return [State(budget, Scope.USER, month, account.zone, account.currency, NOTHING, reserved, is_credit=True)]


def applying(account: Account, agent: str | None = None) -> "QuerySet[Budget]":
    """The budgets that count for an account (its own before its plan's) and an agent, and the site's."""
    enabled = Budget.objects.filter(enabled=True).order_by("kind", "key")
    own = enabled.filter(kind=Budget.Kind.USER, key=str(account.pk))
    plan = Q(kind=Budget.Kind.PLAN, key=account.plan_id) if account.plan_id and not own.exists() else Q(pk=None)
    agents = Q(kind=Budget.Kind.AGENT, key=agent) if agent is not None else Q(pk=None)
    return enabled.filter(Q(kind=Budget.Kind.USER, key=str(account.pk)) | plan | agents | Q(kind=Budget.Kind.SITE))


def state_of(budget: Budget, account: Account) -> State:
    """How far this month's budget is used up; `account` says whose, of the users of a plan."""
    scope = SCOPES[Budget.Kind(budget.kind)]
    zone, currency = (account.zone, account.currency) if scope == Scope.USER else ("UTC", settings.CURRENCY)
    month = Month.of(timezone.now(), zone)
    key = _key(scope, account, budget.key)
    spent = Spending.objects.filter(scope=scope, key=key, month=month.first, currency=currency).aggregate(sum=Sum("amount"))["sum"]
    held = Reservation.objects.filter(run_id__in=Run.objects.live().values("pk"))
    if scope == Scope.USER:
        held = held.filter(user_id=account.user_id)
    elif scope == Scope.AGENT:
        held = held.filter(agent=budget.key)
    reserved = held.aggregate(sum=Sum("charge" if scope == Scope.USER else "cost"))["sum"]
    return State(budget, scope, month, zone, currency, spent or NOTHING, reserved or NOTHING)


def money(record: UsageRecord, account: Account) -> tuple[Decimal, Decimal, bool]:
    """What a call takes from budgets: from a user's what they pay, from the others what we pay; and whether all of its prices are
    known."""
    lines = priced_call(record, account.currency)
    charges = [line.charge(account.markup) for line in lines]
    if account.currency != settings.CURRENCY:
        lines = priced_call(record, settings.CURRENCY)
    costs = [line.cost for line in lines]
    return total(charges), total(costs), None not in charges and None not in costs


def total(amounts: Iterable[Decimal | None]) -> Decimal:
    """The sum of those that are known, to as many places as counters have."""
    known = sum((each for each in amounts if each is not None), NOTHING)
    return known.quantize(Decimal(1).scaleb(-PLACES), ROUND_HALF_EVEN)


Counter = tuple[str, str, Any, str]


def add(amounts: Mapping[Counter, Decimal]) -> None:
    """Add to counters, in an order that all keep to."""
    rows = [(*counter, random.randrange(SHARDS[Scope(counter[0])]), amount) for counter, amount in sorted(amounts.items()) if amount]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(ADD, [list(column) for column in zip(*rows, strict=True)])


def _counted(at: datetime, account: Account, agent: str, charge: Decimal, cost: Decimal) -> dict[Counter, Decimal]:
    """Which counters a call is part of. They go by when it was recorded, so that a correction is this month's."""
    here, everywhere = Month.of(at, account.zone).first, Month.of(at, "UTC").first
    return {
        (Scope.USER, str(account.pk), here, account.currency): charge,
        (Scope.AGENT, agent, everywhere, settings.CURRENCY): cost,
        (Scope.SITE, "", everywhere, settings.CURRENCY): cost,
    }


def _key(scope: Scope, account: Account, key: str) -> str:
    return str(account.pk) if scope == Scope.USER else key


def _lock_name(budget: Budget, account: Account) -> str:
    scope = SCOPES[Budget.Kind(budget.kind)]
    return f"{scope} {_key(scope, account, budget.key)}"
