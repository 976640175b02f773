"""What a model call took, and the default way to write that into the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import admission
from billing.budgets import settle
from billing.models import UsageRecord
from billing.models.usage import REASONS, TOKENS, UNITS
from threads.broadcast import publish, user_group


@dataclass(frozen=True)
class Usage:
    """Tokens of one model call by class, see `billing.models.usage`. `estimated` ones were counted by us, for the provider told nothing."""

    fresh_input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    audio_input: int = 0
    image_input: int = 0
    output_text: int = 0
    reasoning: int = 0
    audio_output: int = 0
    image_output: int = 0
    estimated: int = 0

    def as_json(self) -> dict[str, int]:
        """As it is stored on messages and runs; `total` is the sum of the classes."""
        classes = asdict(self)
        return classes | {"total": sum(classes.values()) - self.estimated}


def estimate(prompt_chars: int, answer_chars: int) -> Usage:
    """A guess of four characters a token, for a model call whose provider told no usage."""
    prompt, answer = -(-prompt_chars // 4), -(-answer_chars // 4)
    return Usage(fresh_input=prompt, output_text=answer, estimated=prompt + answer)


@dataclass(frozen=True)
class ModelCall:
    """One call of a model, as usage handlers get it; (run_id, attempt, step, kind) names it.

    kind: `answer`, `summary`, `embedding`, `transcription`, `speech`, `tool 0` (the first call of a step), … usage: tokens by class;
    units: `seconds`, `characters` or `requests` of what is not paid for by tokens. labels: whatever else it should be charged to (team,
    project), or `{"free": true}`. Free to be replaced, as user_id is.
    """

    user_id: UUID | None
    thread_id: UUID | None
    run_id: UUID
    attempt: int
    step: int
    kind: str
    agent: str
    provider: str
    model: str
    usage: Mapping[str, int] = field(default_factory=dict)
    units: Mapping[str, int | Decimal] = field(default_factory=dict)
    provider_metadata: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)


EMBEDDING = "embedding"
# The provider under which fees of tools are, by the tool's name.
TOOLS = "tools"
UsageHandler = Callable[[ModelCall], None]


def record(call: ModelCall) -> None:
    """The default handler: one row of the ledger, and what it takes of limits and budgets; a repeat changes nothing."""
    named = {name: getattr(call, name) for name in ("run_id", "attempt", "step", "kind")}
    about = {name: getattr(call, name) for name in ("user_id", "thread_id", "agent", "provider", "model")}
    free = {"provider_metadata": dict(call.provider_metadata), "labels": dict(call.labels)}
    amounts = {name: call.usage.get(name, 0) for name in (*TOKENS, "estimated")} | {name: call.units.get(name, 0) for name in UNITS}
    row, is_new = UsageRecord.objects.get_or_create(**named, reverses=None, defaults=about | free | amounts)
    if is_new:
        settle(row)
        if row.tokens and call.kind != EMBEDDING:  # what is embedded was limited when it was said
            admission.take(str(call.user_id) if call.user_id else None, call.agent, row.tokens)
        if call.user_id is not None:
            tell(call.user_id)


@transaction.atomic
def reverse(record: UsageRecord, reason: str) -> UsageRecord:
    """Take a row back by its negative, and its money from what was spent; returns the new row. ValueError of a correction,
    IntegrityError without a reason or a second time."""
    if record.reverses is not None:
        raise ValueError("This row is a correction itself: record what is right instead.")
    facts = {field.name: getattr(record, field.name) for field in record._meta.fields if field.name not in ("id", "created_at")}
    amounts = {name: -facts[name] for name in (*TOKENS, *UNITS, "estimated")}
    back = UsageRecord.objects.create(**facts | amounts | {"reverses": record.pk, "reason": reason[:REASONS]})
    settle(back)
    return back


def tell(user_id: UUID) -> None:
    """After the commit, have a person's pages look what is left."""
    transaction.on_commit(lambda: publish([(user_group(user_id), {"type": "limits"})]), robust=True)
