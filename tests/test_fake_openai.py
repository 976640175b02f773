"""The fake model server itself: what other tests rely on."""

import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.fake_openai import Call, FakeOpenAI, Plan


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as running:
        yield running


@pytest.fixture
def client(server: FakeOpenAI) -> openai.OpenAI:
    server.reset()
    return openai.OpenAI(api_key="test", base_url=server.url, max_retries=0, timeout=5)


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def ask(client: openai.OpenAI, text: str) -> list[ChatCompletionChunk]:
    stream = client.chat.completions.create(model="fake-model", messages=user(text), stream=True, stream_options={"include_usage": True})
    return list(stream)


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_echoes_in_about_twenty_tokens_with_usage_last(client: openai.OpenAI) -> None:
    said = "The quick brown fox jumps over the lazy dog, twice in a row."
    chunks = ask(client, said)
    assert text_of(chunks) == said
    assert 18 <= len(chunks) <= 24
    assert chunks[-1].choices == [] and chunks[-1].usage and chunks[-1].usage.completion_tokens == 20
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_paces_by_an_absolute_schedule(client: openai.OpenAI) -> None:
    start = time.monotonic()
    chunks = ask(client, "[[tokens=100 rate=200 delay=0.1]]")
    assert text_of(chunks).split()[-1] == "w99"
    assert 0.58 <= time.monotonic() - start <= 0.9


def test_stamps_carry_sequence_and_time(client: openai.OpenAI) -> None:
    stamps = re.findall(r"t(\d+):(\d+) ", text_of(ask(client, "[[tokens=30 rate=1000 stamp]]")))
    assert [int(seq) for seq, _ in stamps] == list(range(30))
    assert 0 <= time.time_ns() - int(stamps[-1][1]) < 1e9


def test_splits_inside_characters_and_lines(server: FakeOpenAI, client: openai.OpenAI) -> None:
    said = "Grüße 👩‍👩‍👧 und 日本語"
    assert text_of(ask(client, f"{said} [[split=3 rate=0 crlf comments]]")) == said
    pieces = _raw_pieces(server, f"{said} [[split=3 rate=0]]")
    assert said.encode() not in pieces and max(map(len, pieces)) == 3
    assert any(not _is_text(piece) for piece in pieces)


def _raw_pieces(server: FakeOpenAI, text: str) -> list[bytes]:
    body = json.dumps({"model": "fake-model", "stream": True, "messages": user(text)}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        found = b"".join(iter(lambda: connection.recv(65536), b""))
    return re.findall(rb"[0-9a-f]+\r\n(.{3})\r\n", found.split(b"\r\n\r\n", 1)[1], re.DOTALL)


def _is_text(piece: bytes) -> bool:
    try:
        return bool(piece.decode())
    except UnicodeDecodeError:
        return False


def test_reasoning_comes_first_in_the_field_asked_for(client: openai.OpenAI) -> None:
    chunks = ask(client, "[[reasoning=3 reasoning_field=reasoning cached=5 text=Done]]")
    thoughts = [getattr(chunk.choices[0].delta, "reasoning", "") for chunk in chunks if chunk.choices]
    assert thoughts[1:4] == ["thought 0 ", "thought 1 ", "thought 2 "] and text_of(chunks) == "Done"
    usage = chunks[-1].usage
    assert usage and usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens == 3
    assert usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens == 5


def test_parallel_tool_calls_interleave_and_results_are_quoted(client: openai.OpenAI) -> None:
    prompt = 'Go [[tool=lookup_order {"order_id":"1042","tags":[["a"]]}]] [[tool=lookup_order {"order_id":]] [[tool=note {"text":"<x*9>"}]]'
    chunks = ask(client, prompt)
    fragments = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    assert [fragment.index for fragment in fragments[:6]] == [0, 1, 2, 0, 1, 2]
    joined = ["".join((f.function and f.function.arguments) or "" for f in fragments if f.index == index) for index in range(3)]
    assert joined == ['{"order_id":"1042","tags":[["a"]]}', '{"order_id":', '{"text":"xxxxxxxxx"}']
    history = [
        *user(prompt),
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "lookup_order", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "shipped"},
    ]
    answer = client.chat.completions.create(model="fake-model", messages=history)
    assert answer.choices[0].message.content == "lookup_order said: shipped"


def test_large_arguments_empty_ids_and_next_steps(server: FakeOpenAI, client: openai.OpenAI) -> None:
    server.script(Plan(tools=(Call("save", json.dumps({"text": "y" * 200_000})),), ids="empty", rate=0))
    fragments = [call for chunk in ask(client, "x") if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    assert fragments[0].id == "" and sum(len((f.function and f.function.arguments) or "") for f in fragments) > 200_000


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("fault=429 retry_after=1", openai.RateLimitError),
        ("fault=500", openai.InternalServerError),
        ("fault=401", openai.AuthenticationError),
        ("fault=drop", openai.APIConnectionError),
        ("fault=error after=3", openai.APIError),
        ("fault=bad_json after=3", json.JSONDecodeError),
        ("fault=no_stream", openai.BadRequestError),
        ("fault=no_stream_options", openai.BadRequestError),
    ],
)
def test_faults_reach_the_client(client: openai.OpenAI, fault: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        ask(client, f"Hello, hello, hello, hello [[{fault}]]")
    if isinstance(caught.value, openai.RateLimitError):
        assert caught.value.response.headers["retry-after"] == "1"


@pytest.mark.parametrize("fault", ["cut", "reset"])
@pytest.mark.parametrize("after", [0, 5])
def test_a_cut_stream_breaks_after_the_tokens_asked_for(client: openai.OpenAI, fault: str, after: int) -> None:
    stream = client.chat.completions.create(model="fake-model", messages=user(f"[[tokens=9 fault={fault} after={after}]]"), stream=True)
    chunks: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APIConnectionError):
        chunks.extend(iter(stream))
    assert len(chunks) == after + 1


def test_an_end_without_finish_reason(client: openai.OpenAI) -> None:
    chunks = ask(client, "[[tokens=5 fault=no_finish after=5]]")
    assert len(chunks) == 6 and all(chunk.choices[0].finish_reason is None for chunk in chunks)


def test_only_the_first_requests_fail(client: openai.OpenAI) -> None:
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            ask(client, "Hi [[fault=500 times=2]]")
    assert text_of(ask(client, "Hi [[fault=500 times=2]]")) == "Hi"


def test_records_when_the_client_went_away(server: FakeOpenAI, client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="fake-model", messages=user("[[tokens=9 fault=stall after=2]]"), stream=True) as stream:
        next(iter(stream))
        left = time.monotonic()
    deadline = left + 2
    while server.requests[0].closed_at is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server.requests[0].closed_at and server.requests[0].closed_at - left < 0.5
    assert server.requests[0].prompt == "[[tokens=9 fault=stall after=2]]" and server.requests[0].headers["Authorization"] == "Bearer test"


CALL = {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": ""}],
        [*user("Hi"), {"role": "assistant", "content": "", "tool_calls": None}],
        [*user("Hi"), {"role": "tool", "tool_call_id": "c1", "content": "x"}],
        [*user("Hi"), CALL, *user("And?")],
        [*user("Hi"), CALL],
        [*user("Hi"), {**CALL, "reasoning_content": "hm"}, {"role": "tool", "tool_call_id": "c1", "content": "x"}],
    ],
)
def test_refuses_what_the_real_server_refuses(client: openai.OpenAI, messages: list[Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="fake-model", messages=messages)


def test_lists_models(client: openai.OpenAI) -> None:
    assert "gpt-4o-mini" in [model.id for model in client.models.list()]
