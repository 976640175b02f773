"""Answers that must fit a type."""

import json
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from agents.agent import Agent
from agents.errors import AnswerFailed
from agents.generating import generate, stream
from agents.providers import openai
from agents.structured import Format, format_of
from tests.fake_openai import Call, FakeOpenAI, Plan
from threads.models import Message, Thread


class Kind(Enum):
    SOUP = "soup"
    CAKE = "cake"


class Step(BaseModel):
    """One thing to do."""

    title: str
    minutes: int = Field(5, description="How long it takes")


class Recipe(BaseModel):
    kind: Kind
    steps: list[Step]
    note: str | None = None


COOK = Agent("cook", output=Recipe)
PLAIN_COOK = Agent("cook")
GOOD = json.dumps({"kind": "soup", "steps": [{"title": "Cut", "minutes": 3}], "note": None})
BAD = json.dumps({"kind": "pie", "steps": [{"minutes": "soon"}], "note": None})


@pytest.fixture(autouse=True)
def forgetful(database: None) -> Any:
    """What servers have told of themselves is no matter of other tests."""
    yield
    openai._format.clear()


def test_the_answer_is_an_object_and_saved_as_its_json(thread: Thread, fake: FakeOpenAI) -> None:
    fake.script(Plan(text=GOOD))
    answer = generate(COOK, "Soup", thread=thread)
    assert answer.object == Recipe(kind=Kind.SOUP, steps=[Step(title="Cut", minutes=3)])
    assert json.loads(Message.objects.get(role="assistant").text) == json.loads(GOOD)
    held = fake.requests[-1].body["response_format"]
    assert (held["type"], held["json_schema"]["strict"]) == ("json_schema", True)


def test_schemas_are_strict_at_every_level() -> None:
    schema = Format(Recipe).schema
    assert schema["required"] == ["kind", "steps", "note"]
    step = schema["$defs"]["Step"]
    assert (step["required"], step["additionalProperties"]) == (["title", "minutes"], False)
    assert step["properties"] == {"title": {"type": "string"}, "minutes": {"type": "integer", "description": "How long it takes"}}


@pytest.mark.parametrize(
    ("output", "said", "value"),
    [
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (Literal["yes", "no"], '{"value": "no"}', "no"),
        (Kind, '```json\n{"value": "cake"}\n```', Kind.CAKE),
        (list[Step], '{"value": [{"title": "a", "minutes": 1}]}', [Step(title="a", minutes=1)]),
        (dict[str, Any], '{"whatever": [1]}', {"whatever": [1]}),
    ],
)
def test_lists_choices_and_free_objects(fake: FakeOpenAI, output: Any, said: str, value: Any) -> None:
    fake.script(Plan(text=said))
    assert generate(COOK.using(output=output), "Go").object == value


def test_a_misfit_is_corrected_once(thread: Thread, fake: FakeOpenAI) -> None:
    fake.script(Plan(text=BAD), Plan(text=GOOD))
    answer = generate(COOK, "Soup", thread=thread)
    assert answer.object.kind == Kind.SOUP
    told = fake.requests[-1].body["messages"][-2:]
    assert told[0] == {"role": "assistant", "content": BAD}
    for word in ("kind", "steps.0.title", "steps.0.minutes"):
        assert word in told[1]["content"]
    assert [row.text for row in thread.messages.filter(role="assistant")] == [GOOD]
    fake.script(Plan(text=GOOD))
    alone = generate(PLAIN_COOK, "Soup").usage["output_text"]
    assert answer.usage["output_text"] > alone, "both tries are counted"


def test_a_second_misfit_fails_with_what_is_wrong(thread: Thread, fake: FakeOpenAI) -> None:
    fake.script(Plan(text="I would rather not say"), Plan(text=BAD))
    with pytest.raises(AnswerFailed, match="title") as caught:
        generate(COOK, "Soup", thread=thread)
    assert caught.value.error["kind"] == "invalid_answer"
    assert len(fake.requests) == 2


def test_a_refusal_is_an_error_of_its_own(fake: FakeOpenAI) -> None:
    fake.script(Plan(refusal="I cannot help with pies."))
    with pytest.raises(AnswerFailed, match="I cannot help with pies") as caught:
        generate(COOK, "Pie")
    assert (caught.value.error["kind"], len(fake.requests)) == ("refusal", 1)


def test_tools_may_be_called_before(fake: FakeOpenAI) -> None:
    def pantry() -> list[str]:
        """What is there."""
        return ["leek"]

    fake.script(Plan(tools=(Call("pantry"),)), Plan(text=GOOD))
    answer = generate(COOK.using(tools=[pantry]), "Soup")
    assert (answer.object.kind, len(answer.steps)) == (Kind.SOUP, 2)


def test_it_can_be_watched_while_it_comes(fake: FakeOpenAI) -> None:
    fake.script(Plan(text=BAD), Plan(text=GOOD))
    with stream(COOK, "Soup") as parts:
        seen = list(parts.objects())
        assert parts.wait().object == format_of(Recipe).read(GOOD)
    assert seen[-1] == json.loads(GOOD)
    assert {"kind": "soup"} in seen
    assert len(seen) > 5


def test_servers_that_know_no_schemas_are_told_in_words(fake: FakeOpenAI) -> None:
    fake.script(Plan(fault="no_schema", text=GOOD), Plan(fault="no_schema", text=GOOD), Plan(text=GOOD))
    assert generate(COOK, "Soup").object.kind == Kind.SOUP
    types = [request.body.get("response_format", {}).get("type") for request in fake.requests]
    assert types == ["json_schema", "json_object", None]
    assert '"additionalProperties"' in fake.requests[-1].body["messages"][0]["content"]
