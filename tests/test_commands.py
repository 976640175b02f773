"""What developers type: `manage.py agents` and `manage.py chat`."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.errors import BadInput
from tests.fake_openai import Call, FakeOpenAI, Plan
from threads.models import Message, Run, Thread, User


def run(*argv: str, **options: Any) -> str:
    out = StringIO()
    call_command(*argv, stdout=out, stderr=out, **options)
    return out.getvalue()


def test_agents_lists_tools_and_with_a_name_their_schemas() -> None:
    listed = run("agents")
    assert "support: Looks up orders and parcels. (model fake, at most 10 steps)" in listed
    assert "  transfer [approval]: Move money" in listed
    assert '"description": "Whole euros"' in run("agents", "banker")
    with pytest.raises(BadInput, match="There are: plain, support"):
        run("agents", "nobody")


def test_chat_without_a_user_remembers_but_saves_nothing(database: None, fake: FakeOpenAI) -> None:
    fake.script(Plan(tools=(Call("get_weather", '{"city": "Oslo"}'), Call("get_weather", "{}"))), Plan(text="Cold."), Plan(text="Yes."))
    said = run("chat", "weather", message=["Oslo?", "Sure?"])
    assert "→ get_weather {'city': 'Oslo'}" in said
    assert "← {'city': 'Oslo'" in said
    assert "← failed: The arguments of get_weather do not fit" in said
    assert said.rstrip().endswith("Yes.")
    told = [(message["role"], message["content"]) for message in fake.requests[-1].body["messages"][1:]]
    assert told == [("user", "Oslo?"), ("assistant", "Cold."), ("user", "Sure?")]
    assert not Message.objects.exists()


def test_chat_with_a_user_is_a_thread_and_asks_for_approval(alice: User, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    large = Call("transfer", '{"source": "savings", "target": "checking", "amount": 500}')
    fake.script(Plan(tools=(large,)), Plan(tools=(large,)), Plan(text="One of two."))
    answers = iter(["y", "n"])
    monkeypatch.setattr("builtins.input", lambda _prompt: next(answers))
    said = run("chat", "banker", message=["Move 500 twice"], user="alice")
    assert str(Thread.objects.get().pk) in said
    assert said.rstrip().endswith("One of two.")
    assert list(Run.objects.get().tool_calls.order_by("step").values_list("status", flat=True)) == ["succeeded", "denied"]
    alice.refresh_from_db()
    assert alice.preferences["accounts"]["savings"] == 2000


def test_chat_says_what_went_wrong(alice: User) -> None:
    assert "Failed: The model's server refused the API key." in run("chat", "plain", message=["[[fault=401]]Hi"])
    with pytest.raises(CommandError, match="nobody named zoe"):
        run("chat", "plain", user="zoe")
