"""The machinery of this process."""

from functools import cache

from agents import sweeping
from agents.worker import Worker


@cache
def process() -> Worker:
    """Made once, by the first run or by the start of the Celery worker."""
    return Worker(sweeping.sweep)
