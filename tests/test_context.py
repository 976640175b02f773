"""What the model sees: recent messages, found ones, the budget, the summary; and what search may find."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from agents import indexing, services
from agents.agent import Agent
from agents.budget import Turn, fit, tokens
from agents.context import ContextOptions, SearchOptions, context_of, fetch_context, messages_for
from agents.embedding import embed, is_missing
from agents.erasing import erase_user
from agents.errors import BadInput
from agents.generating import generate
from agents.memory import forget, remember
from billing.models import UsageRecord
from tests.fake_openai import Call, FakeOpenAI, Plan
from threads.copying import fork
from threads.deleting import delete_messages
from threads.embeddings import WrongDimensions, build_index, models_in_use, save_vectors
from threads.models import Chunk, Embedding, Memory, Message, Run, Thread, ToolCall, User
from threads.saving import save_messages, update_message
from threads.search import Scope, by_likeness, by_words, fused

Ask = Callable[..., tuple[Message, Run]]
Offered = dict[str, Agent]


def told(fake: FakeOpenAI) -> list[str]:
    return [message.get("content", "") for message in fake.requests[-1].body["messages"]]


def talk(thread: Thread, *turns: str) -> list[Message]:
    """A turn each: what the user says, and an answer to it."""
    rows = []
    for text in turns:
        rows += save_messages(thread.pk, [text, {"role": "assistant", "content": f"About: {text}"}])
    return rows


def options(**more: Any) -> ContextOptions:
    search = more.pop("search", None)
    return ContextOptions(search_options=SearchOptions(**search) if search else SearchOptions(), **more)


# --- Recent ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("recent", "expected"), [(0, ["Now"]), (1, ["About: c", "Now"]), (3, ["About: b", "c", "About: c", "Now"])])
def test_recent_messages_are_counted_and_the_prompt_is_always_there(
    ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI, recent: int, expected: list[str]
) -> None:
    talk(thread, "a", "b", "c")
    offered["few"] = Agent("few", context_options=options(recent_messages=recent))
    ask("Now", agent="few")
    assert told(fake) == expected


def test_what_was_answered_already_is_told_after_the_prompt_however_few_are_recent(thread: Thread, alice: User, fake: FakeOpenAI) -> None:
    prompt = save_messages(thread.pk, ["Question"])[0]
    save_messages(thread.pk, [{"role": "assistant", "content": "So far."}], prompt=prompt.pk)
    talk(thread, "Later")
    generate(Agent("few", context_options=options(recent_messages=0)), thread=thread, prompt_message=prompt)
    assert told(fake) == ["Question", "So far."]


@pytest.mark.parametrize("exclude", [True, False])
def test_tool_rows_of_earlier_turns_may_be_left_out_those_of_its_own_never(
    ask: Ask, offered: Offered, fake: FakeOpenAI, exclude: bool
) -> None:
    def look() -> str:
        """Looks."""
        return "seen"

    offered["looker"] = Agent("looker", tools=[look], context_options=options(exclude_tool_messages=exclude))
    for _ in range(2):
        fake.script(Plan(tools=(Call("look"),)), Plan(text="Done."))
        ask("Look", agent="looker")
    roles = [message["role"] for message in fake.requests[-1].body["messages"]]
    own = ["user", "assistant", "tool"]
    assert roles == (["user", "assistant", *own] if exclude else [*own, "assistant", *own])


def test_a_handler_decides_what_is_told(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, "a", "b")
    offered["own"] = Agent("own", context_handler=lambda context: [context.recent[0], *context.prompt])
    ask("Now", agent="own")
    assert told(fake) == ["a", "Now"]


def test_title_summary_and_memories_are_told_if_wanted(ask: Ask, alice: User, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    Thread.objects.update(summary="They talk about a trip.")
    Memory.objects.create(user=alice, text="Is allergic to nuts.")
    offered["knows"] = Agent("knows", instructions="I.", context_options=options(title_and_summary=True, memories=True))
    ask("Now", agent="knows")
    system = [message["content"] for message in fake.requests[-1].body["messages"] if message["role"] == "system"]
    assert system[0] == "I."
    assert "Trip" in system[1]
    assert "They talk about a trip." in system[2]
    assert "- Is allergic to nuts." in system[3]


def test_context_options_of_call_thread_and_agent(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, "a", "b")
    offered["few"] = Agent("few", context_options=options(recent_messages=1))
    ask("1", agent="few")
    Thread.objects.update(options={"context_options": {"recent_messages": 2}})
    ask("2", agent="few")
    ask("3", agent="few", options={"context_options": {"recent_messages": 0}})
    assert [len(request.body["messages"]) for request in fake.requests] == [2, 3, 1]
    with pytest.raises(BadInput, match="greater than or equal"):
        ask("4", agent="few", options={"context_options": {"recent_messages": -1}})


# --- Chunks ------------------------------------------------------------------------------------------------------------


def test_what_is_said_can_be_found_at_once_and_what_is_not_said_cannot(ask: Ask, thread: Thread, alice: User, fake: FakeOpenAI) -> None:
    fake.script(Plan(tools=(Call("lookup_order", '{"order_id": "1042"}'),)), Plan(text="The zebra was sent."))
    ask("Where is my giraffe?", agent="support")
    assert [(c.text, c.user_id, c.order, c.step_order) for c in Chunk.objects.order_by("pk")] == [
        ("Where is my giraffe?", alice.pk, 0, 0), ("The zebra was sent.", alice.pk, 0, 3),
    ]  # fmt: skip
    row = Message.objects.get(step_order=3)
    update_message(row, content="The okapi was sent.")
    assert [c.text for c in row.chunks.all()] == ["The okapi was sent."]
    update_message(row, status="failed", error={"kind": "x", "message": "x"})
    assert not row.chunks.exists()


@pytest.mark.parametrize("size", [1, 8000, 8001, 15999, 16001, 100_000])
def test_long_messages_are_cut_into_chunks_and_nothing_is_lost(thread: Thread, size: int) -> None:
    text = ("wört " * (size // 5 + 1))[: size - 1] + "x"
    save_messages(thread.pk, [text])
    chunks = list(Chunk.objects.order_by("part"))
    assert "".join(chunk.text for chunk in chunks) == text
    assert max(len(chunk.text) for chunk in chunks) <= 8000
    assert [chunk.part for chunk in chunks] == list(range(len(chunks)))


# --- Vectors -----------------------------------------------------------------------------------------------------------


def test_what_was_said_is_embedded_in_the_background(thread: Thread, alice: User) -> None:
    talk(thread, "Where is my parcel?", "How is the weather?")
    assert indexing.embed_waiting() == 4
    assert indexing.embed_waiting() == 0
    assert set(Embedding.objects.values_list("model", "dims", "thread", "user")) == {("hashed-256", 256, thread.pk, alice.pk)}
    assert {len(vector) for vector in Embedding.objects.values_list("vec", flat=True)} == {256}
    (vector,) = embed(["the parcel, where is it"])
    nearest = by_likeness(Scope(thread=thread.pk), vector, "hashed-256", 2)
    assert {Message.objects.get(pk=pk).text for pk, _ in nearest} == {"Where is my parcel?", "About: Where is my parcel?"}
    assert nearest[0][1] > 0.6


def test_embedding_is_charged_to_whose_texts_they_are(thread: Thread, alice: User, bob: User, fake: FakeOpenAI, settings: Any) -> None:
    settings.EMBEDDING_MODEL = "fake-embedding"
    other = Thread.start(bob)
    for where, text in ((thread, "a" * 30), (other, "b" * 12), (thread, "c" * 5)):
        save_messages(where.pk, [{"role": "assistant", "content": text}])
    indexing.embed_waiting()
    found = UsageRecord.objects.filter(kind="embedding").exclude(user_id=None).order_by("-fresh_input")
    assert list(found.values_list("user_id", "thread_id", "model", "fresh_input")) == [
        (alice.pk, thread.pk, "fake-embedding", 35),
        (bob.pk, other.pk, "fake-embedding", 12),
    ]
    before = UsageRecord.objects.count()
    indexing.embed_waiting()
    assert UsageRecord.objects.count() == before
    settings.EMBEDDING_MODEL = "hashed-256"
    indexing.embed_waiting()
    assert UsageRecord.objects.count() == before, "what runs here costs nothing"


def test_a_real_model_is_asked_in_batches_and_again_when_it_fails(thread: Thread, fake: FakeOpenAI, settings: Any) -> None:
    settings.EMBEDDING_MODEL = "fake-embedding"
    save_messages(thread.pk, [{"role": "assistant", "content": f"Fact {n}"} for n in range(100)])
    fake.fail_embeddings(500)
    indexing.embed_in_background()
    assert not Embedding.objects.exists()
    fake.fail_embeddings(0)
    assert indexing.embed_waiting() == 100
    assert [len(body["input"]) for body in fake.embeddings if body["input"][0].startswith("Fact")][-2:] == [64, 36]
    assert models_in_use() == [("fake-embedding", 8)]


def test_another_model_embeds_anew_and_search_works_throughout(thread: Thread, settings: Any) -> None:
    talk(thread, "Where is my parcel?")
    indexing.embed_waiting()
    wanted = options(recent_messages=0, search={"vector_search": True, "message_range": (0, 0)})
    settings.EMBEDDING_MODEL = "hashed-64"

    def found() -> set[str]:
        return {row.text for row in fetch_context(thread=thread, text="my parcel", options=wanted).search}

    everything = {"Where is my parcel?", "About: Where is my parcel?"}
    assert found() == everything, "with the old vectors"
    first, second = Chunk.objects.order_by("pk")
    Chunk.objects.update(embedded_as="")
    save_vectors([first], embed([first.text]), "hashed-64", 64)
    assert models_in_use() == [("hashed-256", 256), ("hashed-64", 64)]
    assert found() == everything, "half and half"
    assert indexing.embed_waiting() == 1
    assert (models_in_use(), found()) == ([("hashed-64", 64)], everything)
    assert second.pk in Embedding.objects.values_list("chunk", flat=True)


def test_the_beat_notices_that_the_model_was_changed(thread: Thread, settings: Any) -> None:
    talk(thread, "a", "b")
    indexing.embed_waiting()
    settings.EMBEDDING_MODEL = "hashed-64"
    assert indexing.embed_waiting() == 4
    assert models_in_use() == [("hashed-64", 64)]


def test_a_vector_of_another_length_is_refused_with_both_numbers(thread: Thread) -> None:
    save_messages(thread.pk, ["a", "b"])
    chunks = list(Chunk.objects.all())
    with pytest.raises(WrongDimensions, match=r"3 dimensions.*hashed-256 have 256"):
        save_vectors(chunks, [[0.0] * 256, [1.0, 2.0, 3.0]], "hashed-256", 256)
    with pytest.raises(WrongDimensions, match=r"5,000.*4,000"):
        save_vectors(chunks, [[0.0] * 5000] * 2, "huge", 5000)
    assert not Embedding.objects.exists()


def test_forks_have_vectors_of_their_own_and_deleting_takes_them_along(thread: Thread, alice: User, bob: User) -> None:
    talk(thread, "a", "b")
    indexing.embed_waiting()
    copy = fork(thread, bob)
    assert Embedding.objects.filter(thread=copy.pk, user=bob.pk).count() == 4
    assert indexing.embed_waiting() == 0
    delete_messages(thread.pk, thread.messages.values_list("pk", flat=True))
    assert (Chunk.objects.filter(thread=thread.pk).count(), Embedding.objects.filter(thread=thread.pk).count()) == (0, 0)
    Memory.objects.create(user=bob, text="x")
    erase_user(bob)
    assert [model.objects.count() for model in (Chunk, Embedding, Memory)] == [0, 0, 0]


def test_the_local_model_knows_what_words_mean(settings: Any) -> None:
    if is_missing("all-minilm-l6-v2"):
        pytest.skip("the local model is not installed: make local-embeddings")
    settings.EMBEDDING_MODEL = "all-minilm-l6-v2"
    eating, bread, baby = embed(["A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."])

    def alike(left: Sequence[float], right: Sequence[float]) -> float:
        return sum(a * b for a, b in zip(left, right, strict=True))

    assert (alike(eating, bread) > 0.7, abs(alike(eating, baby)) < 0.2, len(eating)) == (True, True, 384)
    assert embed(["word " * 1000, "x"])[1] == pytest.approx(embed(["x"])[0], abs=1e-5), "neighbours in a batch do not matter"


# --- Search ------------------------------------------------------------------------------------------------------------


BOTH = {"text_search": True, "vector_search": True}


def test_found_messages_come_first_with_their_neighbours(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, "one", "two", "The zebra has stripes", "four", "five", "six", "seven")
    indexing.embed_waiting()
    offered["finder"] = Agent("finder", context_options=options(recent_messages=2, search={**BOTH, "limit": 1, "message_range": (1, 1)}))
    ask("Which animal has stripes: the zebra?", agent="finder")
    assert told(fake) == [
        "two", "About: two", "The zebra has stripes", "About: The zebra has stripes", "four", "About: four",
        "seven", "About: seven", "Which animal has stripes: the zebra?",
    ]  # fmt: skip


def test_without_a_switch_nothing_is_searched(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, "The zebra has stripes", "two")
    offered["plainer"] = Agent("plainer", context_options=options(recent_messages=1, search={"limit": 5}))
    ask("The zebra?", agent="plainer")
    assert told(fake) == ["About: two", "The zebra?"]


def test_only_what_was_said_before_the_target_is_found(thread: Thread) -> None:
    rows = talk(thread, "zebra one", "zebra two", "zebra three")
    indexing.embed_waiting()
    wanted = options(recent_messages=0, search={**BOTH, "message_range": (0, 0)})
    context = fetch_context(target=rows[2], options=wanted)
    assert [row.text for row in context.search] == ["zebra one", "About: zebra one"]
    assert ([row.text for row in context.prompt], [row.text for row in context.existing]) == (["zebra two"], ["About: zebra two"])


def test_other_threads_of_the_same_person_are_searched_if_wanted_and_nobody_elses(alice: User, bob: User, thread: Thread) -> None:
    other, foreign = Thread.start(alice), Thread.start(bob)
    talk(other, "My zebra is called Zoe")
    talk(foreign, "My zebra is called Secret")
    indexing.embed_waiting()
    for everywhere, expected in ((False, set()), (True, {other.pk})):
        wanted = options(search_other_threads=everywhere, search=BOTH)
        found = fetch_context(thread=thread, user=alice, text="What is my zebra called?", options=wanted).search
        assert {row.thread_id for row in found} == expected
    found = fetch_context(user=alice, text="zebra", options=options(search=BOTH)).search
    assert {row.thread_id for row in found} == {other.pk}
    with pytest.raises(BadInput):
        fetch_context(text="zebra", options=options(search=BOTH))


def test_a_given_function_embeds_the_question(thread: Thread) -> None:
    talk(thread, "zebra", "parcel")
    indexing.embed_waiting()
    asked: list[Sequence[str]] = []

    def mine(texts: Sequence[str]) -> list[list[float]]:
        asked.append(texts)
        return embed(["parcel"])

    wanted = options(recent_messages=0, search={"vector_search": True, "limit": 1, "message_range": (0, 0)})
    assert [row.text for row in fetch_context(thread=thread, text="zebra", options=wanted, embed=mine).search] == [
        "parcel",
        "About: parcel",
    ]
    assert asked == [["zebra"]]


def test_a_model_that_cannot_be_asked_costs_its_ranking_not_the_answer(
    ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI, settings: Any
) -> None:
    settings.EMBEDDING_MODEL = "fake-embedding"
    talk(thread, "The zebra has stripes", "two", "three")
    indexing.embed_waiting()
    fake.fail_embeddings(500)
    offered["finder"] = Agent("finder", context_options=options(recent_messages=0, search={**BOTH, "limit": 1, "message_range": (0, 0)}))
    _, run = ask("A zebra?", agent="finder")
    assert (run.status, "zebra" in told(fake)[0]) == ("succeeded", True)


@pytest.mark.parametrize("words", ["", "   ", "'", "\\", "a & b | !c", "<->", "the the the", "' OR 1=1 --", "%s", "日本語 のテキスト"])
def test_any_words_can_be_asked_for(thread: Thread, words: str) -> None:
    talk(thread, "zebra")
    assert isinstance(by_words(Scope(thread=thread.pk), words, 5), list)


def analyzed(thread: Thread, texts: list[str]) -> None:
    save_messages(thread.pk, [{"role": "assistant", "content": text} for text in texts])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE threads_chunk")


def test_where_little_was_said_every_word_is_looked_up(thread: Thread) -> None:
    analyzed(thread, [f"a zebra number{n}" for n in range(20)])
    assert len(by_words(Scope(thread=thread.pk), "zebra, which nobody mentioned", 50)) == 20


def test_common_words_are_not_looked_up_if_there_are_rarer_ones(thread: Thread) -> None:
    analyzed(thread, [f"the common number{n}" for n in range(1_100)])
    found = by_words(Scope(thread=thread.pk), "the common number7", 50)
    assert [Message.objects.get(pk=pk).text for pk, _ in found] == ["the common number7"]
    assert len(by_words(Scope(thread=thread.pk), "the", 50)) == 50


def test_rankings_are_fused_by_rank() -> None:
    a, b, c, d = (Message().pk for _ in range(4))
    assert list(fused([(a, 9.0), (b, 8.0), (c, 7.0)], [(c, 0.9), (b, 0.8), (d, 0.7)], limit=4))[:2] == [c, b]
    assert fused([(a, 1.0)], limit=5) == {a: 0.1}


def test_large_scopes_are_searched_by_the_index_and_find_the_same(
    alice: User, bob: User, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = Thread.start(bob)
    for owner in (thread, foreign):
        save_messages(owner.pk, [{"role": "assistant", "content": f"animal {n} eats plant {n * 7 % 400}"} for n in range(400)])
    indexing.embed_waiting()
    assert build_index("hashed-256", 256)
    assert not build_index("hashed-256", 256)
    (vector,) = embed(["animal 77 eats plant 139"])
    exact = by_likeness(Scope(owner=alice.pk), vector, "hashed-256", 10)
    monkeypatch.setattr("threads.search.EXACT_ROWS", 10)
    by_index = by_likeness(Scope(owner=alice.pk), vector, "hashed-256", 10)
    assert len({pk for pk, _ in exact} & {pk for pk, _ in by_index}) >= 9
    assert set(Message.objects.filter(pk__in=[pk for pk, _ in by_index]).values_list("thread", flat=True)) == {thread.pk}


# --- The budget --------------------------------------------------------------------------------------------------------


@property_settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=30), window=st.integers(500, 20_000), own=st.integers(1, 3))
def test_whatever_was_said_fits(sizes: list[int], window: int, own: int) -> None:
    turns = [
        Turn(
            (n,),
            n >= len(sizes) - own,
            [{"role": "user", "content": "ä" * size}, {"role": "tool", "tool_call_id": "x", "content": "y" * size}],
        )
        for n, size in enumerate(sizes)
    ]
    fitted = fit([{"role": "system", "content": "I."}], turns, window)
    assert sum(map(tokens, fitted.messages)) <= window
    kept = len(turns) - len(fitted.left_out)
    assert [turn.key for turn in fitted.left_out] == [(n,) for n in range(len(turns) - kept)], "the oldest turns, and whole ones"
    assert len(fitted.messages) == 1 + 2 * kept


def test_a_long_history_is_cut_at_turns_and_summed_up(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, *(f"Turn {n}: " + "words " * 60 for n in range(20)))
    offered["small"] = Agent("small", context_options=options(max_tokens=2000))
    fake.script(Plan(text="They said twenty things."), Plan(text="Fine."))
    _, run = ask("Now", agent="small")
    summing, answering = (request.body["messages"] for request in fake.requests)
    assert "Turn 0" in summing[-1]["content"]
    assert "They said twenty things." in answering[0]["content"]
    assert answering[1]["content"].startswith("Turn "), "it begins with a user's message: turns are not cut in two"
    assert sum(map(tokens, answering)) <= 2000
    saved = Thread.objects.get()
    first_told = int(answering[1]["content"].split()[1].rstrip(":"))
    assert (run.status, saved.summary, saved.summarised_to) == ("succeeded", "They said twenty things.", first_told - 1)
    ask("And now", agent="small")
    assert "They said twenty things." in told(fake)[0]
    assert len(fake.requests) == 3, "there is room for some turns before the next summary"


def test_a_long_summary_leaves_room_for_the_prompt(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, *(f"Turn {n}: " + "words " * 60 for n in range(20)))
    offered["small"] = Agent("small", context_options=options(max_tokens=2000))
    fake.script(Plan(text="They talked. " * 1000), Plan(text="Fine."))
    prompt = "Now, what was it? " * 20
    ask(prompt, agent="small")
    assert (told(fake)[-1], "They talked." in told(fake)[0]) == (prompt, True)


def test_a_failing_summary_costs_the_summary_only(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, *(f"Turn {n}: " + "words " * 60 for n in range(20)))
    offered["small"] = Agent("small", context_options=options(max_tokens=2000))
    fake.script(Plan(fault="500"), Plan(text="Fine."))
    _, run = ask("Now", agent="small")
    assert (run.status, Thread.objects.get().summarised_to) == ("succeeded", None)
    assert told(fake)[0].startswith("Turn ")


def test_long_tool_results_of_earlier_turns_are_shortened_first(ask: Ask, offered: Offered, fake: FakeOpenAI) -> None:
    def read() -> str:
        """Reads a lot."""
        return "begin " + "x" * 9000 + " end"

    offered["reader"] = Agent("reader", tools=[read], context_options=options(max_tokens=2500, summarise=False))
    fake.script(Plan(tools=(Call("read"),)), Plan(text="Read."))
    ask("Read", agent="reader")
    assert len(told(fake)[-1]) < 7000, "its own turn had to be shortened too"
    ask("And now?", agent="reader")
    (result,) = [message for message in fake.requests[-1].body["messages"] if message["role"] == "tool"]
    assert len(result["content"]) < 1300
    assert (result["content"].startswith("begin"), result["content"].endswith("end")) == (True, True)
    assert ToolCall.objects.get().result.endswith(" end"), "the row keeps it all"


def test_a_window_that_is_smaller_than_we_believe(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, *(f"Turn {n}: " + "words " * 100 for n in range(40)))
    fake.window = 3000
    _, run = ask("Now")
    assert run.status == "succeeded", run.error
    assert len(fake.requests) > 1
    assert told(fake)[-1] == "Now"


def test_each_model_has_a_window_of_its_own(settings: Any) -> None:
    settings.CONTEXT_TOKENS, settings.MODEL_WINDOWS, settings.MODEL = 1000, {"small": 600}, "small"
    assert [Agent("a").window, Agent("a", model="other").window, Agent("a", context_options=options(max_tokens=300)).window] == [
        600,
        1000,
        300,
    ]


def test_a_prompt_that_fits_no_window_is_shortened(ask: Ask, offered: Offered, fake: FakeOpenAI) -> None:
    fake.window = 500
    offered["tiny"] = Agent("tiny", context_options=options(max_tokens=500))
    _, run = ask("Beginning. " + "blah " * 5000 + "The end?", agent="tiny")
    assert run.status == "succeeded", run.error
    assert (told(fake)[0].startswith("Beginning."), told(fake)[0].endswith("The end?")) == (True, True)


def test_what_the_model_saw_is_what_it_was_sent(ask: Ask, thread: Thread, offered: Offered, fake: FakeOpenAI) -> None:
    talk(thread, "zebra", "two")
    offered["finder"] = Agent("finder", instructions="Find.", context_options=options(recent_messages=1, search={"text_search": True}))
    _, run = ask("zebra?", agent="finder", answer=False)
    shown = messages_for(run, offered["finder"]).messages
    from agents import tasks  # noqa: PLC0415

    tasks.answer(str(thread.pk))
    assert fake.requests[-1].body["messages"] == shown
    assert [row.text for row in context_of(run, offered["finder"].context_options).search] == ["zebra", "About: zebra", "two"]


# --- Memories ----------------------------------------------------------------------------------------------------------


def test_facts_are_remembered_told_forgotten_and_the_persons_own(
    ask: Ask, alice: User, bob: User, offered: Offered, fake: FakeOpenAI, client_of: Any
) -> None:
    offered["friend"] = Agent("friend", tools=[remember, forget], context_options=options(memories=True))
    fact = {"fact": "Is allergic to nuts."}
    fake.script(Plan(tools=(Call("remember", json.dumps(fact)), Call("remember", json.dumps(fact)))), Plan(text="Noted."))
    ask("Remember that I cannot eat nuts", agent="friend")
    assert [memory.text for memory in Memory.objects.filter(user=alice)] == ["Is allergic to nuts."]
    ask("Hello", agent="friend")
    assert "Is allergic to nuts." in told(fake)[0]
    listed = client_of(alice).get("/api/memories").json()["memories"]
    assert [each["text"] for each in listed] == ["Is allergic to nuts."]
    assert client_of(bob).get("/api/memories").json()["memories"] == []
    assert client_of(bob).delete(f"/api/memories/{listed[0]['id']}").status_code == 404
    fake.script(Plan(tools=(Call("forget", '{"fact": "nuts"}'), Call("forget", '{"fact": "bees"}'))), Plan(text="Gone."))
    _, run = ask("Forget it", agent="friend")
    assert list(run.tool_calls.order_by("index").values_list("status", flat=True)) == ["succeeded", "failed"]
    memory = Memory.objects.create(user=alice, text="Likes <b>tea</b>.")
    page = client_of(alice).get("/memories/").content.decode()
    assert ("Likes &lt;b&gt;tea&lt;/b&gt;." in page, "Likes" in client_of(bob).get("/memories/").content.decode()) == (True, False)
    for forget_ in (memory.pk, "x", "9" * 30):
        client_of(bob).post("/memories/", {"forget": forget_})
    assert Memory.objects.filter(pk=memory.pk).exists()
    client_of(alice).post("/memories/", {"forget": memory.pk})
    assert not Memory.objects.filter(pk=memory.pk).exists()
    memory = Memory.objects.create(user=alice, text="Likes tea.")
    assert client_of(alice).delete(f"/api/memories/{memory.pk}").status_code == 204
    assert not Memory.objects.exists()


# --- Commands and checks -----------------------------------------------------------------------------------------------


def test_a_command_embeds_what_waits_and_another_all_anew(thread: Thread, capsys: Any, settings: Any) -> None:
    talk(thread, "a", "b")
    call_command("embed")
    assert "4" in capsys.readouterr().out
    settings.EMBEDDING_MODEL = "hashed-64"
    call_command("embed", "--all")
    assert models_in_use() == [("hashed-64", 64)]


def test_a_check_compares_the_model_with_the_rows(thread: Thread, settings: Any, capsys: Any) -> None:
    talk(thread, "a")
    indexing.embed_waiting()
    call_command("check", databases=["default"])
    settings.EMBEDDING_MODEL = "hashed-64"
    call_command("check", databases=["default"])
    assert "agentsite.W" in capsys.readouterr().err


def test_services_and_context_agree_about_turns(ask: Ask, alice: User, thread: Thread, fake: FakeOpenAI) -> None:
    services.send(alice, thread, "One", answer=False)
    ask("Two")
    assert told(fake) == ["One", "Two"]
