"""What code of yours can hear of."""

from django.dispatch import Signal

# So many percent of a budget are used up. Sent once for each of 50, 80 and 100 in a month, soon after it happened.
# budget: Budget; user_id: UUID of whoever spends it, None for budgets of agents and the site; percent: int; state: budgets.State.
budget_used = Signal()
