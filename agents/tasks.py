"""Celery tasks, and the life of a worker process. Each task is a shell: load by id, call one function."""

import os
import threading
from typing import Any
from uuid import UUID

from celery import shared_task, signals
from django.db import connection

from agents import runner, sweeping
from agents.describing import describe
from agents.indexing import embed_in_background
from agents.models import RequestLog
from agents.process import process
from threads.deleting import empty_bin, forget_passing
from threads.figures import NAME
from threads.files import vacuum
from threads.logs import about
from threads.models import Delta, Process, Run, Tombstone

LEAVE_SECONDS = 20.0


@shared_task
def answer(thread_id: str) -> None:
    """Answer the thread's oldest queued prompt, if nobody is at it."""
    worker = process()
    if worker.draining:
        return  # The run stays queued, and the sweepers of the others will hint at it.
    run = Run.objects.claim(UUID(thread_id), NAME)
    connection.close()
    if run is not None:
        with about(run=run.pk, thread=run.thread_id, user=run.requested_by_id), worker.active(run, shared=True) as active:
            runner.answer(active)


@shared_task
def sweep() -> None:
    """Backup of the sweeper in each worker, and beat's sign of life."""
    sweeping.sweep()
    Process.objects.note("beat_at")


@shared_task
def describe_thread(thread_id: str) -> None:
    """Find a title and a summary after the first turn."""
    describe(UUID(thread_id))


@shared_task
def embed() -> None:
    """Give vectors to what was said since the last time."""
    embed_in_background()


@shared_task
def prune() -> None:
    """Delete what nobody needs any more: deltas of ended runs, old tombstones and requests, processes of the past, discarded threads,
    trials and temporary ones, files that nothing refers to."""
    RequestLog.objects.old().delete()
    Delta.objects.history().delete()
    Tombstone.objects.prune()
    Process.objects.forgotten().delete()
    empty_bin()
    forget_passing()
    vacuum()


@signals.worker_ready.connect
def on_ready(**_: Any) -> None:
    """Sweep from the start, not from the first task."""
    process()


@signals.worker_shutting_down.connect
def on_shutdown(**_: Any) -> None:
    """Hand every run over at once. A tool that does not come back cannot keep the process."""
    process().drain()
    deadline = threading.Timer(LEAVE_SECONDS, os._exit, [0])
    deadline.daemon = True
    deadline.start()
