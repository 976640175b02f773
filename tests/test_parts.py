"""Folding and merging of stream parts."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from threads.parts import fold, merge

WORDS = st.text("ab <&😀\n", max_size=5)


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A step as providers produce it: texts, thoughts and calls one after another, cut anywhere."""
    parts: list[dict[str, Any]] = [{"type": "start-step"}]
    for number, kind in enumerate(draw(st.lists(st.sampled_from(["text", "reasoning", "tool"]), max_size=5))):
        pieces = draw(st.lists(WORDS, max_size=6))
        if kind == "tool":
            parts.append({"type": "tool-input-start", "toolCallId": f"c{number}", "toolName": "t"})
            parts += [{"type": "tool-input-delta", "toolCallId": f"c{number}", "inputTextDelta": piece} for piece in pieces]
            parts.append({"type": "tool-input-available", "toolCallId": f"c{number}", "toolName": "t", "input": {"n": number}})
        else:
            parts.append({"type": f"{kind}-start", "id": f"{kind}{number}"})
            parts += [{"type": f"{kind}-delta", "id": f"{kind}{number}", "delta": piece} for piece in pieces]
            parts.append({"type": f"{kind}-end", "id": f"{kind}{number}"})
    return parts[: draw(st.integers(0, len(parts)))]


@given(streams())
def test_merging_does_not_change_what_is_folded(parts: list[dict[str, Any]]) -> None:
    assert fold(merge(parts)) == fold(parts)
    assert len(merge(parts)) <= len(parts)


@given(streams(), st.integers(0, 40))
def test_merging_in_batches_does_not_either(parts: list[dict[str, Any]], cut: int) -> None:
    assert fold(merge(parts[:cut]) + merge(parts[cut:])) == fold(parts)


@given(streams())
def test_folding_keeps_every_word_in_order(parts: list[dict[str, Any]]) -> None:
    folded = fold(parts)
    for kind in ("text", "reasoning"):
        streamed = "".join(part["delta"] for part in parts if part["type"] == f"{kind}-delta")
        assert "".join(part["text"] for part in folded.content if part["type"] == kind) == streamed
    assert len(folded.calls) == sum(part["type"] == "tool-input-available" for part in parts)


def test_an_input_that_never_became_complete_is_left_out() -> None:
    parts = [
        {"type": "tool-input-start", "toolCallId": "c", "toolName": "t"},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "{"},
    ]
    assert fold(parts).content == []


def test_the_hash_of_arguments_does_not_depend_on_their_order() -> None:
    def call(arguments: dict[str, int]) -> str:
        return fold([{"type": "tool-input-available", "toolCallId": "c", "toolName": "t", "input": arguments}]).calls[0].arguments_hash

    assert call({"a": 1, "b": 2}) == call({"b": 2, "a": 1}) != call({"a": 2, "b": 1})
