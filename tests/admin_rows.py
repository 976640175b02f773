"""A row of any model, for pages that show one."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import NOT_PROVIDED

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# By the kind of a field.
VALUES: dict[str, Any] = {
    "BigIntegerField": 1,
    "CharField": lambda: uuid.uuid4().hex[:10],
    "DateField": date(2026, 1, 1),
    "DateRangeField": (date(2026, 1, 1), None),
    "DateTimeField": NOW,
    "DateTimeRangeField": (NOW, None),
    "DecimalField": Decimal(1),
    "FloatField": 1.0,
    "IntegerField": 1,
    "JSONField": dict,
    "PositiveBigIntegerField": 1,
    "PositiveIntegerField": 1,
    "PositiveSmallIntegerField": 1,
    "SmallIntegerField": 1,
    "TextField": lambda: uuid.uuid4().hex,
    "UUIDField": uuid.uuid4,
    "VectorField": [1.0],
}
# By its name, where not any value will do.
FACTS: dict[str, Any] = {"currency": "USD", "key": "4711", "scopes": ["read"], "start": 0, "zone": "UTC"}


def row(model: type[models.Model], **facts: Any) -> Any:
    """A row there is, or a new one with the rows that it needs."""
    found = model._default_manager.first()
    if found is not None:
        return found
    for field in model._meta.local_fields:
        given = field.name in facts or field.has_default() or field.db_default is not NOT_PROVIDED or field.generated
        if given or field.auto_created or field.null or (field.blank and field.name not in FACTS):
            continue
        facts[field.name] = row(field.related_model) if field.is_relation else _value(field)
    return model._default_manager.create(**facts)


def _value(field: Any) -> Any:
    kind = field.get_internal_type()
    if field.name in FACTS:
        return FACTS[field.name]
    if field.choices:
        return field.choices[0][0]
    value = VALUES[kind]
    return value() if callable(value) else value
