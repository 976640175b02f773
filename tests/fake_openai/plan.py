"""What the fake model will answer: a Plan, made in Python or read from directives in the prompt.

Directives stand in double brackets in the last user message: ``[[tokens=200 rate=50 stamp]]``,
``[[tool=lookup_order {"order_id":"1042"}]]``, ``[[fault=429 retry_after=1 times=2]]``, ``[[text="Hello there"]]``.
``[[next]]`` begins the answer of the next step, after tool results. ``<x*200000>`` in tool arguments or a text
stands for so many letters x.
"""

import json
import re
import shlex
from dataclasses import dataclass, field, fields, replace
from typing import Any

Body = dict[str, Any]
FAULTS_AT_A_TOKEN = ("cut", "reset", "no_finish", "stall", "bad_json", "error")
OTHER_FAULTS = ("", "drop", "hang", "html", "no_stream", "no_stream_options", "no_schema", "no_files", "ignore_stream")


@dataclass(frozen=True)
class Call:
    """One tool call to ask for; `arguments` goes over the wire as it is, good JSON or not."""

    name: str
    arguments: str = "{}"


@dataclass(frozen=True)
class Plan:
    """How to answer one request. The defaults echo the prompt in about twenty tokens.

    Faults: a status (`429`, `500`, `401`, …), `drop` (closed before the headers), `hang` (no headers, ever), `html`,
    `no_stream`, `no_stream_options`, `no_schema` and `no_files` (400 when asked for), `ignore_stream` (plain JSON), and after `after` tokens:
    `cut`, `reset`, `no_finish`, `stall`, `bad_json`, `error`.
    """

    text: str = ""
    tokens: int = 0  # so many made-up ones, in place of a text
    rate: float = 200.0  # tokens a second; 0: all at once
    delay: float = 0.0  # seconds before the first one
    stamp: bool = False  # each token is "t<seq>:<time.time_ns()> "
    reasoning: int = 0  # tokens of reasoning before the answer
    reasoning_field: str = "reasoning_content"
    tools: tuple[Call, ...] = ()
    ids: str = "unique"  # or "empty", or "same": call_0, call_1 in every step
    interleave: bool = True  # fragments of parallel calls take turns
    whole: bool = False  # each call in one fragment, as some servers do
    fragment: int = 0  # letters of arguments in a fragment; 0: so many that there are few
    finish: str = ""  # default: tool_calls or stop
    refusal: str = ""
    cites: str = ""  # addresses with commas between them, as a server with a search of its own tells them
    silent: bool = False  # says nothing at all
    usage: bool = True
    cached: int = 0  # prompt tokens said to be cached
    split: int = 0  # bytes per packet, to cut inside lines and characters
    crlf: bool = False
    comments: bool = False  # ": keep-alive" between the events
    fault: str = ""
    after: int = 0
    times: int = 0  # only the first so many requests with this prompt fail; 0: all
    retry_after: float = 0.0
    code: str = ""  # the error's code, e.g. context_length_exceeded

    def __post_init__(self) -> None:
        if not self.fault.isdigit() and self.fault not in FAULTS_AT_A_TOKEN + OTHER_FAULTS:
            raise ValueError(f"The fake model knows no fault {self.fault!r}.")


@dataclass
class _Reader:
    """Collects what the directives of one step say."""

    values: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def plan(self) -> Plan:
        return Plan(**self.values, tools=tuple(self.calls))


_KINDS: dict[str, type] = {item.name: type(item.default) for item in fields(Plan) if item.name != "tools"}
_OPENING = re.compile(r"\[\[\s*([a-z_]+)")
_FILLER = re.compile(r"<x\*(\d+)>")


def fill(text: str) -> str:
    """`text` with each ``<x*N>`` written out."""
    return _FILLER.sub(lambda found: "x" * int(found[1]), text)


def text_of(message: Body) -> str:
    """The text of a chat message, whether a string or parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


def read_prompt(prompt: str) -> tuple[list[Plan], str]:
    """The plans of a prompt's steps (empty: no directives), and the prompt without its directives."""
    steps, plain, at = [_Reader()], "", 0
    while found := _OPENING.search(prompt, at):
        key = found[1]
        if key not in _KINDS and key not in ("tool", "next"):
            plain, at = plain + prompt[at : found.end()], found.end()
            continue
        end = _closing(prompt, found)
        plain += prompt[at : found.start()]
        at = end + 2
        if key == "next":
            steps.append(_Reader())
        else:
            _read_directive(prompt[found.start() + 2 : end].strip(), steps[-1])
    plain = (plain + prompt[at:]).strip()
    said_nothing = len(steps) == 1 and not steps[0].values and not steps[0].calls
    return ([] if said_nothing else [step.plan() for step in steps]), plain


def _closing(prompt: str, found: re.Match[str]) -> int:
    """Where the directive's own brackets close: JSON arguments may hold ``]]`` themselves."""
    start = found.end()
    if found[1] == "tool" and (brace := re.compile(r"=[\w.-]+\s*(?=\{)").match(prompt, start)):
        try:
            start = json.JSONDecoder().raw_decode(prompt, brace.end())[1]
        except ValueError:
            start = brace.end()
    end = prompt.find("]]", start)
    return end if end >= 0 else len(prompt)


def _read_directive(words: str, reader: _Reader) -> None:
    if words.startswith("tool="):
        name, _, arguments = words.removeprefix("tool=").partition(" ")
        reader.calls.append(Call(name, fill(arguments.strip() or "{}")))
        return
    for word in shlex.split(words):
        key, _, value = word.partition("=")
        kind = _KINDS[key]
        reader.values[key] = value not in ("0", "no") if kind is bool else kind(value)


def turn(messages: list[Body]) -> tuple[str, list[Body]]:
    """The last user text, and the messages after it."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].get("role") == "user":
            return text_of(messages[place]), messages[place + 1 :]
    return "", messages


def quote(messages: list[Body]) -> str:
    """An answer that quotes the tool results among `messages`."""
    names = {call["id"]: call["function"]["name"] for item in messages for call in item.get("tool_calls") or ()}
    results = [item for item in messages if item.get("role") == "tool"]
    return "\n".join(f"{names.get(item.get('tool_call_id'), 'The tool')} said: {text_of(item)}" for item in results)


def choose(body: Body, scripted: Plan | None) -> Plan:
    """The plan for this request: the scripted one, else the prompt's; its text filled in."""
    prompt, later = turn(body["messages"])
    steps, plain = read_prompt(prompt)
    step = sum(1 for item in later if item.get("role") == "assistant" and item.get("tool_calls"))
    plan = scripted or (steps[step] if step < len(steps) else Plan())
    if plan.text or plan.tokens or plan.tools or plan.refusal or plan.silent:
        return replace(plan, text=fill(plan.text))
    return replace(plan, text=(quote(later) if later else "") or fill(plain) or "Hello from the fake model.")
