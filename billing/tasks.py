"""Periodic jobs of money. Each may run twice, and late."""

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from billing import alerts, payments, reconciling
from billing.invoicing import NotYet, accounts_to_bill, invoice
from billing.models import Reservation, WebhookEvent
from billing.periods import Month
from threads.models import Run

logger = logging.getLogger(__name__)
# Providers repeat events for some days.
EVENTS_KEPT = timedelta(days=30)


@shared_task
def generate_invoices() -> None:
    """Of the last month, for all who have none; where it is not over yet, the next run does it."""
    month = Month.of(timezone.now(), "UTC").previous
    for user_id in accounts_to_bill(month):
        try:
            result = invoice(user_id, month)
        except NotYet:
            continue
        if result.unpriced:
            logger.error("no price is known for %s: calls of account %s wait for one", ", ".join(result.unpriced), user_id)


@shared_task
def alert() -> None:
    """Tell who has used up how much of a budget."""
    alerts.alert()


@shared_task
def reconcile() -> None:
    """Say what does not agree, of this month and the last."""
    now = Month.of(timezone.now(), "UTC")
    for month in (now.previous, now):
        for sentence in reconciling.drift(month):
            logger.error("%s: %s", month, sentence)


@shared_task
def pay() -> None:
    """Look after payments whose time has come."""
    payments.send_due()


@shared_task
def prune() -> None:
    """Delete what was set aside for runs that have ended, and which events were told long ago."""
    WebhookEvent.objects.filter(created_at__lt=timezone.now() - EVENTS_KEPT).delete()
    old = Reservation.objects.filter(created_at__lt=timezone.now() - timedelta(hours=1))
    old.exclude(run_id__in=Run.objects.live().values("pk")).delete()
