"""What is known of each model call besides its answer: its usage, and if wanted the raw request and response."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from agents.models import RequestLog
from agents.providers import provider_of
from billing.budgets import money, reserve
from billing.models import Account, UsageRecord
from billing.models.usage import TOKENS
from billing.pricing import declare
from billing.usage import TOOLS, ModelCall, record
from threads.models import ToolCall
from threads.storable import storable

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.tools import Tool
    from agents.unsaved import AnyRun

# Tokens that are set aside for an answer.
USUAL_ANSWER = 1000
REDACTED = "[redacted]"
SECRET = re.compile(r"\b(sk-[\w-]{12,}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}|xox[abp]-[\w-]{10,}|Bearer\s+[\w.~+/=-]{8,})")
# A picture is shown by how large it was.
BASE64 = re.compile(r"(?:data:[^,\s]{1,100},)?[A-Za-z0-9+/]{4000,}={0,2}")
SECRET_NAME = re.compile(r"password|passwd|secret|api_?key|access_?token|authorization|credential", re.IGNORECASE)


@dataclass(frozen=True)
class Exchange:
    """One request to a model's server and what came back, as they were: `response` is one JSON value per event of the stream."""

    run: "AnyRun"
    agent: str
    step: int
    attempt: int
    request: Mapping[str, Any]
    response: list[Any]
    error: str
    seconds: float


def account(run: "AnyRun", agent: "Agent", facts: Mapping[str, Any], kind: str = "answer", *, attempt: int | None = None) -> None:
    """Tell the usage handler of one model call; `facts` are the columns of its message. As part of the transaction that saves it."""
    call = ModelCall(
        user_id=run.requested_by_id,
        thread_id=run.thread_id,
        run_id=run.pk,
        attempt=run.attempt if attempt is None else attempt,
        step=run.step,
        kind=kind,
        agent=agent.name,
        provider=facts.get("provider", ""),
        model=facts.get("model", ""),
        usage=facts.get("usage") or {},
        provider_metadata=facts.get("provider_metadata", {}),
    )
    (agent.usage_handler or record)(call)


def declare_fee(tool: "Tool") -> None:
    """Have the fee of a tool among the prices."""
    declare(TOOLS, tool.name, "requests", Decimal(tool.fee))


def charge_tool(run: "AnyRun", agent: "Agent", call: ToolCall) -> None:
    """Tell the usage handler of a call of a tool that has a fee. A call is charged once, in whatever attempt it succeeded."""
    kind = f"tool {call.index}"
    told = ModelCall(run.requested_by_id, run.thread_id, run.pk, 0, call.step, kind, agent.name, TOOLS, call.tool, units={"requests": 1})
    (agent.usage_handler or record)(told)


def afford(run: "AnyRun", agent: "Agent", size: float) -> None:
    """Have set aside what the next model call, of so many tokens, may cost. Raises BudgetExceeded, PriceUnknown."""
    reserve(run.pk, run.requested_by_id, agent.name, expected(agent.model_name, size, agent.settings.get("max_tokens")))


def charged(run: "AnyRun", facts: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a message with what its call is charged, for the page; if that is not known, as they are."""
    usage = facts.get("usage") or {}
    call = UsageRecord(
        provider=facts.get("provider", ""),
        model=facts.get("model", ""),
        priced_at=timezone.now(),
        **{name: usage.get(name, 0) for name in TOKENS},
    )
    return {**facts, "usage": usage | _charge(run, call)}


def fee(run: "AnyRun", tool: "Tool") -> dict[str, Any]:
    """What a call of a tool is charged, as a usage; empty without a fee, or if that is not known."""
    return _charge(run, UsageRecord(provider=TOOLS, model=tool.name, requests=1, priced_at=timezone.now())) if tool.fee else {}


def _charge(run: "AnyRun", call: UsageRecord) -> dict[str, str]:
    account = Account.objects.of(run.requested_by_id)
    charge, _, is_known = money(call, account)
    return {"charge": f"{charge.normalize():f}", "currency": account.currency} if is_known else {}


def expected(model: str, question: float, answer: int | None = None) -> UsageRecord:
    """A call of so many tokens, as the ledger would have it. An answer of which nobody knows how long it may be is a usual one."""
    facts = {"fresh_input": math.ceil(question), "output_text": answer or USUAL_ANSWER, "priced_at": timezone.now()}
    return UsageRecord(provider=provider_of(model), model=model, **facts)


def keep(exchange: Exchange, agent: "Agent") -> None:
    """Show an exchange to the agent's `on_request`, and log it if that is wanted."""
    if agent.on_request:
        agent.on_request(exchange)
    if agent.log_requests:
        RequestLog.objects.create(
            thread_id=exchange.run.thread_id,
            user_id=exchange.run.requested_by_id,
            run_id=exchange.run.pk,
            agent=exchange.agent,
            step=exchange.step,
            attempt=exchange.attempt,
            request=redacted(exchange.request),
            response=redacted(exchange.response),
            error=redacted(exchange.error),
            seconds=exchange.seconds,
        )


def redacted(value: Any) -> Any:
    """The same JSON without secrets: our own key, what looks like a key, and what is called one; and without the bytes of files."""
    if isinstance(value, str):
        text = value.replace(settings.OPENAI_API_KEY, REDACTED) if settings.OPENAI_API_KEY else value
        return storable(SECRET.sub(REDACTED, BASE64.sub(lambda found: f"[{len(found[0]):,} characters of base64]", text)))
    if isinstance(value, Mapping):
        return {
            storable(str(key)): REDACTED if SECRET_NAME.search(str(key)) and isinstance(each, str) else redacted(each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [redacted(each) for each in value]
    return storable(value)
