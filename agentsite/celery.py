"""The Celery application, and every periodic job of the site on one page.

The broker only carries hints: a task says "look at this thread", and a lost one is repeated by the sweeper from the rows.
So there is no result backend, no late ack and no remote control.
"""

import os
import sys

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentsite.settings")
if "worker" in sys.argv:
    # Before the settings are read: a worker's threads share a pool of connections.
    os.environ.setdefault("AGENTSITE_PROCESS", "worker")
    # The loop that reads the models waits for the runs' threads; a tenth of the usual 5 ms is soon enough for tokens.
    sys.setswitchinterval(0.0005)

app = Celery("agentsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    "sweep": {"task": "agents.tasks.sweep", "schedule": 10.0},
    "embed": {"task": "agents.tasks.embed", "schedule": 5.0},
    "prune": {"task": "agents.tasks.prune", "schedule": 60.0},
    "alert": {"task": "billing.tasks.alert", "schedule": 60.0},
    "pay": {"task": "billing.tasks.pay", "schedule": 60.0},
    "prune-billing": {"task": "billing.tasks.prune", "schedule": 3600.0},
    # By UTC. On the 2nd the last month is over everywhere; the days after make up for one on which nothing ran.
    "invoices": {"task": "billing.tasks.generate_invoices", "schedule": crontab(minute=0, hour=0, day_of_month="2-31")},
    "reconcile": {"task": "billing.tasks.reconcile", "schedule": crontab(minute=30, hour=3)},
}
