"""A plan as bytes: the chunks of a stream with their times, or one JSON answer."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import count
from typing import Any

from .plan import FAULTS_AT_A_TOKEN, Body, Plan

Frame = tuple[float, bytes | Callable[[], bytes]]
PACKET_GAP = 0.001  # seconds; less, and the packets of a split chunk arrive as one
_numbers = count(1)


def encode(value: Any) -> bytes:
    """JSON as UTF-8; a text that UTF-8 cannot hold (a lone surrogate) is escaped, as servers in JavaScript send it."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def pieces(text: str, number: int = 20) -> list[str]:
    """`text` in about `number` parts."""
    size = max(1, -(-len(text) // number))
    return [text[at : at + size] for at in range(0, len(text), size)]


def call_ids(plan: Plan) -> list[str]:
    if plan.ids == "empty":
        return [""] * len(plan.tools)
    if plan.ids == "same":
        return [f"call_{place}" for place in range(len(plan.tools))]
    return [f"call_{next(_numbers):06d}" for _ in plan.tools]


def answer_tokens(plan: Plan) -> list[str]:
    if plan.tokens or plan.stamp:
        return [f"w{place} " for place in range(plan.tokens)]
    return pieces(plan.text)


def reasoning_tokens(plan: Plan) -> list[str]:
    return [f"thought {place} " for place in range(plan.reasoning)]


def deltas(plan: Plan) -> list[Body]:
    """What the answer says, token by token."""
    found: list[Body] = [{plan.reasoning_field: text, "content": ""} for text in reasoning_tokens(plan)]
    found += [{"content": text} for text in answer_tokens(plan)]
    found += [{"refusal": text} for text in pieces(plan.refusal, 5)]
    found += [{"annotations": [citation]} for citation in citations(plan)]
    return found + [{"tool_calls": [fragment]} for fragment in _fragments(plan)]


def citations(plan: Plan) -> list[Body]:
    return [
        {"type": "url_citation", "url_citation": {"url": url, "title": f"Page {number}", "start_index": 0, "end_index": 1}}
        for number, url in enumerate(plan.cites.split(",") if plan.cites else [], start=1)
    ]


def _fragments(plan: Plan) -> list[Body]:
    rows: list[list[Body]] = []
    for index, (call, call_id) in enumerate(zip(plan.tools, call_ids(plan), strict=True)):
        head = {"index": index, "id": call_id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        if plan.whole:
            rows.append([{**head, "function": {"name": call.name, "arguments": call.arguments}}])
            continue
        usual = 8 if len(call.arguments) < 1000 else 50
        fragments = pieces(call.arguments, len(call.arguments) // plan.fragment if plan.fragment else usual)
        rest = [{"index": index, "function": {"arguments": text}} for text in fragments]
        rows.append([head, *rest])
    if not plan.interleave:
        return [fragment for row in rows for fragment in row]
    longest = max(map(len, rows), default=0)
    return [row[place] for place in range(longest) for row in rows if place < len(row)]


def finish_reason(plan: Plan) -> str:
    return plan.finish or ("tool_calls" if plan.tools else "stop")


def usage(body: Body, plan: Plan) -> Body:
    """Counts of tokens: four bytes each for the prompt, one per delta for the answer."""
    asked, thought = len(encode(body["messages"])) // 4 + 1, len(reasoning_tokens(plan))
    said = thought + len(answer_tokens(plan)) + sum(len(call.arguments) // 4 + 1 for call in plan.tools)
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "prompt_tokens_details": {"cached_tokens": plan.cached},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def whole_answer(body: Body, plan: Plan) -> Body:
    """The answer without streaming."""
    message: Body = {"role": "assistant", "content": "".join(answer_tokens(plan)) or None, "refusal": plan.refusal or None}
    if plan.reasoning:
        message[plan.reasoning_field] = "".join(reasoning_tokens(plan))
    if plan.cites:
        message["annotations"] = citations(plan)
    if plan.tools:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call, call_id in zip(plan.tools, call_ids(plan), strict=True)
        ]
    choice = {"index": 0, "message": message, "finish_reason": finish_reason(plan), "logprobs": None}
    return {**_head(body, "chat.completion"), "choices": [choice], **({"usage": usage(body, plan)} if plan.usage else {})}


def _head(body: Body, kind: str) -> Body:
    return {"id": f"chatcmpl-{next(_numbers)}", "object": kind, "created": int(time.time()), "model": body["model"]}


class Stream:
    """The frames of one streamed answer, each at its second after the start. Iterate once."""

    def __init__(self, body: Body, plan: Plan) -> None:
        self.plan = plan
        self.head = _head(body, "chat.completion.chunk")
        self.usage = usage(body, plan) if plan.usage and (body.get("stream_options") or {}).get("include_usage") else None
        self.newline = b"\r\n" if plan.crlf else b"\n"

    def __iter__(self) -> Iterator[Frame]:
        frames = self._frames()
        return self._split(frames) if self.plan.split else ((at, _chunked(data)) for at, data in frames)

    def _event(self, data: bytes) -> bytes:
        event = b"data: " + data + self.newline * 2
        return b": keep-alive" + self.newline * 2 + event if self.plan.comments else event

    def _chunk(self, delta: Body, finish: str | None = None) -> bytes:
        return self._event(encode({**self.head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))

    def _time(self, token: int) -> float:
        return self.plan.delay + (token / self.plan.rate if self.plan.rate else 0.0)

    def _frames(self) -> Iterator[Frame]:
        plan, said = self.plan, deltas(self.plan)
        stop = plan.after if plan.fault in FAULTS_AT_A_TOKEN else -1
        yield plan.delay, self._chunk({"role": "assistant", "content": ""})
        template = self._template() if plan.stamp else None
        for place, delta in enumerate(said):
            if place == stop and (yield from self._fault(place)):
                return
            seq = place - plan.reasoning
            yield self._time(place), partial(_stamped, template, seq) if template and 0 <= seq < plan.tokens else self._chunk(delta)
        if stop >= len(said) and (yield from self._fault(len(said))):
            return
        yield from self._end(self._time(len(said)))

    def _template(self) -> tuple[bytes, bytes]:
        before, after = self._chunk({"content": "\0"}).split(b"\\u0000")
        return before, after

    def _fault(self, place: int) -> Generator[tuple[float, bytes], None, bool]:
        """Yields what the fault sends; its result tells whether the stream is over."""
        if self.plan.fault == "bad_json":
            yield self._time(place), self._event(encode(self.head)[:-9])
            return False
        if self.plan.fault == "error":
            error = {
                "message": "The server had an error while processing your request.",
                "type": "server_error",
                "code": self.plan.code or None,
            }
            yield self._time(place), self._event(encode({"error": error}))
        return True

    def _end(self, at: float) -> Iterator[Frame]:
        yield at, self._chunk({}, finish_reason(self.plan))
        if self.usage:
            yield at, self._event(encode({**self.head, "choices": [], "usage": self.usage}))
        yield at, self._event(b"[DONE]")

    def _split(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        clock, size = 0.0, self.plan.split
        for at, data in frames:
            whole = data() if callable(data) else data
            for place in range(0, len(whole), size):
                clock = max(clock + PACKET_GAP, at)
                yield clock, _chunked(whole[place : place + size])


def _stamped(template: tuple[bytes, bytes], place: int) -> bytes:
    before, after = template
    return b"%bt%d:%d %b" % (before, place, time.time_ns(), after)


def _chunked(data: bytes | Callable[[], bytes]) -> bytes | Callable[[], bytes]:
    """HTTP's chunk framing, done here because the frames bypass the server's own writer."""
    if callable(data):
        return partial(_chunk_late, data)
    return b"%x\r\n%b\r\n" % (len(data), data)


def _chunk_late(make: Callable[[], bytes]) -> bytes:
    data = make()
    return b"%x\r\n%b\r\n" % (len(data), data)
