"""Writes, and reads, that must survive a restart of the database."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")
logger = logging.getLogger(__name__)
PATIENCE_SECONDS = 30.0


def persist(write: Callable[[], T]) -> T:
    """Do one transaction, again while the database is away; the connection goes back to the pool at once.

    A write must be conditional on the run's fence: after an unknown commit it is repeated, and then finds itself done.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("the database is away (%s); trying again", type(error).__name__)
            time.sleep(0.5)
        finally:
            connection.close()
