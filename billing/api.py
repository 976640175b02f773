"""What was used, for programs and for the chat."""

from typing import Any
from uuid import UUID

from ninja import Router

from billing.models import Account, UsageRecord
from billing.reporting import used
from threads.access import SignedRequest, thread_for

router = Router()


@router.get("/threads/{uuid:thread_id}/usage")
def thread_usage(request: SignedRequest, thread_id: UUID) -> dict[str, Any]:
    """What a thread took until now, of everybody who asked in it: calls, tokens and money, in the currency of whoever looks."""
    thread = thread_for(request.user, thread_id)
    account = Account.objects.of(request.user.pk)
    (total,) = used(UsageRecord.objects.filter(thread_id=thread.pk), [], account.currency)
    return {
        "calls": total.calls,
        "total": total.input_tokens + total.output_tokens,
        "charge": f"{total.charge.normalize():f}",
        "currency": account.currency,
        "is_priced": total.is_priced,
    }
