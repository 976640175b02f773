"""Who has used up how much of a budget is told once: as a row, as a line in the log, to their pages, and to whoever listens."""

import logging
from collections.abc import Iterator
from uuid import UUID

from django.utils import timezone

from billing.budgets import SCOPES, State, applying, state_of
from billing.models import Account, Alert, Budget, Scope, Spending
from billing.periods import Month
from billing.signals import budget_used
from billing.usage import tell

logger = logging.getLogger(__name__)
LEVELS = (50, 80, 100)


def alert() -> int:
    """Look at all budgets of which something was spent this month; how many alerts there were."""
    return sum(_alert(state, account) for state, account in _spent())


def _spent() -> Iterator[tuple[State, Account]]:
    now = Month.of(timezone.now(), "UTC")
    site = Account.objects.of(None)
    for budget in Budget.objects.filter(enabled=True, kind__in=[Budget.Kind.AGENT, Budget.Kind.SITE]):
        yield state_of(budget, site), site
    months = [now.previous.first, now.first, now.next.first]  # as it is somewhere
    spenders = Spending.objects.filter(scope=Scope.USER, month__in=months).values_list("key", flat=True).distinct()
    for account in Account.objects.filter(pk__in=[UUID(key) for key in spenders]).select_related("plan"):
        for budget in applying(account):
            if SCOPES[Budget.Kind(budget.kind)] == Scope.USER:
                yield state_of(budget, account), account


def _alert(state: State, account: Account) -> int:
    """Say the highest level that is new; the lower ones count as said."""
    reached = [level for level in LEVELS if state.budget.amount and state.spent * 100 >= level * state.budget.amount]
    if not reached:
        return 0
    key = str(account.pk) if state.scope == Scope.USER else ""
    rows = [Alert(budget=state.budget, key=key, month=state.month.first, percent=level) for level in reached]
    said = Alert.objects.filter(budget=state.budget, key=key, month=state.month.first, percent=reached[-1])
    if said.exists():
        return 0
    Alert.objects.bulk_create(rows, ignore_conflicts=True)
    user_id = account.user_id if state.scope == Scope.USER else None
    logger.warning("%d %% of a budget are used up: %s (%s)", reached[-1], state.budget, state.in_words)
    budget_used.send(Budget, budget=state.budget, user_id=user_id, percent=reached[-1], state=state)
    if user_id is not None:
        tell(user_id)
    return 1
