"""The demo model: answers when no language model is connected, and says so.

It plays a script: a function that looks at the turn so far and yields what a model would say or call. Agents may bring their own
(`Agent.demo`); the default one calls a tool that the prompt names (`lookup_order {"order_id": "1042"}`) and quotes what it was given.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from agents.attachments import RESULTS, attachments, words
from agents.providers.events import Event, Finish, Reasoning, Request, Text, ToolInput
from billing.usage import Usage

PROVIDER = "demo"

NOTICE = (
    "*No language model is connected: this is the demo model, playing a script. Set `OPENAI_API_KEY` or `OPENAI_BASE_URL` to connect one.*"
)


@dataclass(frozen=True)
class Say:
    """Text of the answer."""

    text: str


@dataclass(frozen=True)
class Think:
    """Thinking aloud."""

    text: str


@dataclass(frozen=True)
class Use:
    """A tool call; several in one step run in parallel."""

    tool: str
    arguments: dict[str, Any]


Act = Say | Think | Use
Script = Callable[["Turn"], Iterator[Say | Think | Use]]


@dataclass(frozen=True)
class Turn:
    """What a script sees: the conversation as a model gets it, and the tools on offer."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]

    @property
    def prompt(self) -> str:
        """The last thing a person said."""
        return next((words(m["content"]) for m in reversed(self.messages) if _is_said(m)), "")

    @property
    def files(self) -> list[str]:
        """The names of the files that came with it as such, not as text."""
        last: dict[str, Any] = next((m for m in reversed(self.messages) if _is_said(m)), {})
        return [str(part.get("filename") or part["mediaType"]) for part in attachments(last)]

    @property
    def results(self) -> list[tuple[str, Any]]:
        """Tool results of this turn, as (tool, result), in the order they were asked for."""
        names: dict[str, str] = {}
        found: list[tuple[str, Any]] = []
        for message in self.messages:
            if _is_said(message):
                found = []
            for call in message.get("tool_calls", []):
                names[call["id"]] = call["function"]["name"]
            if message["role"] == "tool":
                found.append((names[message["tool_call_id"]], _value(message["content"])))
        return found

    @property
    def earlier(self) -> list[str]:
        """What assistants said in earlier turns of the thread."""
        last = max((i for i, m in enumerate(self.messages) if _is_said(m)), default=0)
        return [m["content"] for m in self.messages[:last] if m["role"] == "assistant" and m.get("content")]


def _is_said(message: dict[str, Any]) -> bool:
    """Whether a person said it."""
    return message["role"] == "user" and message.get("of") != RESULTS


async def stream(request: Request) -> AsyncIterator[Event]:
    """Play the script at AGENTSITE_DEMO_TOKENS_PER_SECOND."""
    came: list[Any] = []
    error = "not read to its end"
    try:
        async for event in _played(request):
            came.append({type(event).__name__: asdict(event)})
            yield event
        error = ""
    finally:
        if request.tap:
            request.tap({"model": PROVIDER, "messages": request.messages, "tools": request.tools}, came, error)


async def _played(request: Request) -> AsyncIterator[Event]:
    turn = Turn(request.messages, request.tools)
    spent, calls, thought = 0, 0, 0
    for act in (request.script or default_script)(turn):
        if isinstance(act, Use):
            arguments = json.dumps(act.arguments)
            yield ToolInput(calls, "", act.tool, f"call_{calls}")
            for piece in _tokens(arguments):
                spent += await _tick()
                yield ToolInput(calls, piece)
            calls += 1
            continue
        for piece in _tokens(act.text):
            spent += await _tick()
            thought += isinstance(act, Think)
            yield Reasoning(piece) if isinstance(act, Think) else Text(piece)
    usage = Usage(fresh_input=len(json.dumps(request.messages)) // 4, output_text=spent - thought, reasoning=thought)
    yield Finish("tool_calls" if calls else "stop", "demo", usage, PROVIDER)


def default_script(turn: Turn) -> Iterator[Say | Think | Use]:
    """Call the tool that the prompt names, then report; else quote the prompt."""
    wanted = _wanted_tool(turn)
    if wanted and not turn.results:
        yield wanted
        return
    yield Say(f"{NOTICE}\n\n")
    for name, result in turn.results:
        yield Say(f"The tool `{name}` returned:\n\n```json\n{json.dumps(result, indent=2)}\n```\n\n")
    if turn.files:
        yield Say(f"You sent me {len(turn.files)} {'file' if len(turn.files) == 1 else 'files'}: {', '.join(turn.files)}.\n\n")
    quoted = "\n".join(f"> {line}" for line in turn.prompt.splitlines())
    yield Say(f"I was given {len(turn.messages)} messages and {len(turn.tools)} tools. The last message was:\n\n{quoted}\n")


def _wanted_tool(turn: Turn) -> Use | None:
    for offered in turn.tools:
        function = offered["function"]
        match = re.search(rf"\b{re.escape(function['name'])}\b\s*(.*)", turn.prompt, re.DOTALL)
        if match:
            return Use(function["name"], _arguments(match[1].strip(), function["parameters"]))
    return None


def _arguments(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """`{"a": 1}` as it is; anything else is the tool's first argument."""
    given = _value(text) if text.startswith("{") else None
    if isinstance(given, dict):
        return given
    names = list(schema.get("properties", {}))
    return {names[0]: text} if names and text else {}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s*\S{1,8}|\s+$", text)


async def _tick() -> int:
    await asyncio.sleep(1 / settings.DEMO_TOKENS_PER_SECOND)
    return 1
