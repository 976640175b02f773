"""Tools: typed Python functions that a model may call. The JSON schema comes from the type hints, the description from the docstring.

    @tool(idempotent=True)
    def lookup_order(context: ToolContext, order_id: str) -> dict:
        \"\"\"Look an order up by its number.\"\"\"

A first parameter annotated `ToolContext` is filled in by us. Functions may be async. Raise `ToolError` to tell the model what went
wrong. A generator's values are shown as they come; what it returns, or its last value, is the result.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Literal, get_origin, get_type_hints

from docstring_parser import parse
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from agents.errors import InvalidArguments
from agents.tool_context import ToolContext
from billing.models.price import MOST, PLACES

__all__ = ["Tool", "ToolContext", "tool", "tool_from"]
MAX_DESCRIPTION = 1024


@dataclass(frozen=True)
class Tool:
    """A function as a model sees it.

    name, description: the function's own, and its docstring, unless given.
    parameters: the JSON schema of its arguments, for a function whose parameters are known only at run time; it gets them by keyword.
    idempotent: calling it twice does no harm, so after a crash it is simply called again.
    effects: "none" (it only looks; then it is idempotent), "write", or "outward" (others notice: mail, money, a post). An outward call
    needs approval once the thread has results of an untrusted tool.
    untrusted: its results come from strangers (web pages, mail).
    timeout: seconds; None = the site's AGENTSITE_TOOL_SECONDS.
    needs_approval: True, or a function of the tool's own parameters that says so; then a person decides before it is called.
    expires: how long a decision, or a person's answer, is waited for.
    by_person: it is never called; a person gives its result.
    retries: so often the model is told what is wrong with its arguments and may try again within one answer.
    fee: what a call that succeeds costs, in the site's currency: a price in the catalog's book, a row in the ledger for each.
    fallback: called then with the arguments as they are, `(context, arguments)`; what it returns is the result.
    """

    function: Callable[..., Any]
    name: str = ""
    description: str = ""
    parameters: dict[str, Any] | None = None
    idempotent: bool = False
    effects: Literal["none", "write", "outward"] = "write"
    untrusted: bool = False
    timeout: float | None = None
    needs_approval: bool | Callable[..., bool] = False
    expires: timedelta = timedelta(days=1)
    by_person: bool = False
    retries: int = 2
    fee: Decimal | int | str = 0
    fallback: Callable[[ToolContext, dict[str, Any]], Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.function.__name__)
        object.__setattr__(self, "description", self.description or parse(inspect.getdoc(self.function) or "").description or "")
        object.__setattr__(self, "fee", _fee(self.fee))
        if self.effects == "none":
            object.__setattr__(self, "idempotent", True)

    @property
    def only_looks(self) -> bool:
        """Whether nobody will notice that it was called, and nobody is asked."""
        return self.effects == "none" and not self.needs_approval and not self.by_person and not self.fee

    @cached_property
    def wants_context(self) -> bool:
        """Whether its first parameter is a ToolContext."""
        hint = get_type_hints(self.function).get(next(iter(inspect.signature(self.function).parameters), ""))
        return (get_origin(hint) or hint) is ToolContext

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The pydantic model of its arguments."""
        hints = get_type_hints(self.function, include_extras=True)
        told = {each.arg_name: each.description for each in parse(inspect.getdoc(self.function) or "").params}
        fields = {}
        for p in list(inspect.signature(self.function).parameters.values())[1 if self.wants_context else 0 :]:
            default = ... if p.default is inspect.Parameter.empty else p.default
            fields[p.name] = (hints.get(p.name, Any), Field(default, description=told[p.name]) if p.name in told else default)
        return create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def schema(self) -> dict[str, Any]:
        """As it is offered to the model (OpenAI's function format)."""
        parameters = self.parameters or {key: value for key, value in self.arguments.model_json_schema().items() if key != "title"}
        function = {"name": self.name, "description": self.description[:MAX_DESCRIPTION], "parameters": parameters}
        return {"type": "function", "function": function}

    def call(self, context: ToolContext, arguments: dict[str, Any]) -> Any:
        """Call its function, or its fallback if the arguments do not fit (InvalidArguments if there is none)."""
        try:
            values = self.check(arguments)
        except InvalidArguments:
            if self.fallback is None:
                raise
            return self.fallback(context, arguments)
        return self.function(*([context] if self.wants_context else []), **values)

    def asks(self, context: ToolContext, arguments: dict[str, Any]) -> bool:
        """Whether a person has to approve this call; InvalidArguments if the arguments do not fit."""
        values = self.check(arguments)
        if not callable(self.needs_approval):
            return self.needs_approval
        return self.needs_approval(*([context] if self.wants_context else []), **values)

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as Python values; InvalidArguments names what is wrong with them."""
        if self.parameters is not None:
            found = Draft202012Validator(self.parameters).iter_errors(arguments)
            problems = [f"{'.'.join(map(str, error.absolute_path)) or 'the arguments'}: {error.message}" for error in found]
            self._refuse(problems)
            return arguments
        try:
            checked = self.arguments.model_validate(arguments)
        except ValidationError as error:
            self._refuse([f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)])
        return {name: getattr(checked, name) for name in self.arguments.model_fields}

    def _refuse(self, problems: list[str]) -> None:
        if problems:
            raise InvalidArguments(f"The arguments of {self.name} do not fit: {'; '.join(problems[:5])}"[:500])


def _fee(given: Decimal | float | str) -> Decimal:
    """A fee as the table of prices has it."""
    try:
        fee = Decimal(str(given))
    except InvalidOperation as error:
        raise ValueError(f"fee: {given!r} is no amount of money.") from error
    if not fee.is_finite() or not 0 <= fee <= MOST or fee != round(fee, PLACES):
        raise ValueError(f"fee: {given!r} is less than nothing, too much, or has more than {PLACES} decimals.")
    return fee


def tool(**more: Any) -> Callable[[Callable[..., Any]], Tool]:
    """Declare more about a tool than its function says: the fields of `Tool`."""
    return lambda function: Tool(function, **more)


def tool_from(function: Callable[..., Any] | Tool) -> Tool:
    """A tool as it was given in an agent's list."""
    return function if isinstance(function, Tool) else Tool(function)
