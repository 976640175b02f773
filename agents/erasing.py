"""Forgetting a person: what `threads.deleting` erases, and what is kept about requests to models in the threads where they wrote."""

from django.db.models import Q

from agents.models import RequestLog
from billing.models import Account, BookedValue, Invoice, Payment
from threads import deleting
from threads.models import Message, User


def erase_user(user: User) -> None:
    """Delete a person and all that is theirs, also from the request log; the ledger keeps only numbers and ids, and their account no
    name. Final invoices stay as they were sent."""
    wrote_in = Message.objects.filter(author=user).values("thread")
    RequestLog.objects.filter(Q(user=user) | Q(thread__in=wrote_in)).delete()
    Account.objects.filter(pk=user.pk).update(name="", address="", customer="", payment_method="")
    Payment.objects.filter(invoice__account=user.pk).exclude(pk__in=Payment.objects.open()).update(customer="", payment_method="")
    BookedValue.objects.filter(thread_id__in=user.owned_threads.values("pk")).update(note="")
    Invoice.objects.filter(account=user.pk, status=Invoice.Status.DRAFT).update(bill_to="")
    deleting.erase_user(user)
