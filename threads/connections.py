"""Connections to the site's database: ones past Django and its pool, and not holding on to Django's longer than needed."""

from typing import Any

import psycopg
from django.db import connection

DJANGOS = ("cursor_factory", "context", "prepare_threshold")


def connect(**wanted: Any) -> psycopg.Connection[Any]:
    """A new one, with everything that DATABASE_URL says (certificates too) and what is `wanted` besides."""
    parameters = {name: value for name, value in connection.get_connection_params().items() if name not in DJANGOS}
    return psycopg.connect(**{**parameters, **wanted})


def release() -> None:
    """Give Django's connection back to the pool before a long wait; within a transaction it has to be kept."""
    if not connection.in_atomic_block:
        connection.close()
