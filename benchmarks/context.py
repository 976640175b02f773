"""What the context of a prompt costs in a site with many messages, and whether search finds what it should.

Half of the messages are in one thread of one person (searched with the vectors' index), some in a small thread of another (searched
exactly), the rest are everybody else's. Texts are made-up words, as unevenly frequent as those of a language; vectors are the hashed
ones. Recall is compared with brute force over the same scope.

    python -m benchmarks.context [--messages 100000] [--questions 100]
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import accumulate
from typing import Any

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from agentsite.embedded import databases

SMALL = 10_000
WORDS = 20_000
NEAREST = 10


def code(name: str) -> Any:
    """A module of the site, once Django is set up."""
    return import_module(name)


def model(name: str) -> Any:
    return apps.get_model("threads", name)


class Talk:
    """Made-up sentences; word n is said n times less often than the first."""

    def __init__(self) -> None:
        self.random = random.Random(1)
        letters = "bdfgklmnprstvz", "aeiou"
        self.words = ["".join(self.random.choice(letters[n % 2]) for n in range(self.random.randint(2, 10))) for _ in range(WORDS)]
        self.cumulated = list(accumulate(1 / (n + 1) for n in range(WORDS)))

    def sentence(self, least: int = 8, most: int = 40) -> str:
        return " ".join(self.random.choices(self.words, cum_weights=self.cumulated, k=self.random.randint(least, most)))


def fill(thread: Any, texts: Iterator[str]) -> None:
    """Messages as they would be saved; a trigger makes their chunks."""
    with connection.cursor() as cursor:
        columns = 'id, thread_id, "order", step_order, role, status, agent_name, content, is_tool, provider, model, finish_reason, '
        columns += "reasoning, sources, warnings, provider_metadata, version"
        count = 0
        with cursor.copy(f"COPY threads_message ({columns}) FROM STDIN") as copy:
            for count, text in enumerate(texts, start=1):
                role = ("assistant", "user")[count % 2]
                row = (
                    os.urandom(16).hex(),
                    thread.pk,
                    (count - 1) // 2,
                    (count - 1) % 2,
                    role,
                    "success",
                    "",
                    f'[{{"type": "text", "text": "{text}"}}]',
                )
                copy.write_row((*row, False, "", "", "", "[]", "[]", "[]", "{}", count))
        cursor.execute("UPDATE threads_thread SET last_order = %s, last_step = 1 WHERE id = %s", [(count - 1) // 2, thread.pk])


def embed_all() -> None:
    """The vectors of all chunks, faster than the worker's batches do it."""

    chunks = list(model("Chunk").objects.order_by("pk").values_list("pk", "text", "thread_id", "user_id"))
    with connection.cursor() as cursor:
        with cursor.copy("COPY threads_embedding (chunk_id, model, dims, thread_id, user_id, vec) FROM STDIN") as copy:
            for pk, text, thread, user in chunks:
                copy.write_row((pk, "hashed-256", 256, thread, user, str(code("agents.embedding").embed([text], "hashed-256")[0])))
        cursor.execute("UPDATE threads_chunk SET embedded_as = 'hashed-256:256'")
        cursor.execute("VACUUM ANALYZE")


def milliseconds(act: Callable[[str], Any], questions: list[str]) -> str:
    """p50 / p95 / largest; the first question warms the caches and is not counted."""
    act(questions[0])
    times = []
    for question in questions:
        began = time.perf_counter()
        act(question)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return f"{statistics.median(times):.1f} / {times[int(len(times) * 0.95)]:.1f} / {times[-1]:.1f}"


def recall(scope: Any, questions: list[str], owner: Any) -> tuple[float, int]:
    """The share of the true nearest messages that were found, and how many rows of somebody else were."""

    search = code("threads.search")
    found = missed = foreign = 0
    for question in questions:
        (vector,) = code("agents.embedding").embed([question], "hashed-256")
        got = {pk for pk, _ in search.by_likeness(scope, vector, "hashed-256", NEAREST)}
        limit, search.EXACT_ROWS = search.EXACT_ROWS, 10**9
        true = {pk for pk, _ in search.by_likeness(scope, vector, "hashed-256", NEAREST)}
        search.EXACT_ROWS = limit
        found, missed = found + len(got & true), missed + len(true - got)
        foreign += model("Message").objects.filter(pk__in=got).exclude(thread__owner=owner).count()
    return found / (found + missed), foreign


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    with databases() as urls:
        os.environ.update(urls, SECRET_KEY="benchmark", DEBUG="1", LOG_LEVEL="ERROR", DJANGO_SETTINGS_MODULE="agentsite.settings")
        django.setup()
        connection.force_debug_cursor = False

        code("django.conf").settings.DEBUG = False
        call_command("migrate", verbosity=0)
        measure(options.messages, options.questions)


def measure(messages: int, number: int) -> None:
    """Fill the site, ask, and print."""

    options_of, search_options = code("agents.context_options").ContextOptions, code("agents.context_options").SearchOptions
    fetch_context, scope_of = code("agents.context").fetch_context, code("threads.search").Scope
    talk, began = Talk(), time.perf_counter()
    people = [model("User").objects.create(username=name) for name in ("large", "small", "others")]
    large, small, others = (model("Thread").objects.create(owner=person) for person in people)
    shares = messages // 2, min(SMALL, messages // 4)
    for thread, count in ((large, shares[0]), (small, shares[1]), (others, messages - sum(shares))):
        fill(thread, (talk.sentence() for _ in range(count)))
        thread.refresh_from_db()
    embed_all()
    filled = time.perf_counter() - began
    code("threads.embeddings").build_index("hashed-256", 256)
    print(f"{messages:,} messages: filled in {filled:.0f} s, index made in {time.perf_counter() - began - filled:.0f} s")
    questions = [talk.sentence(4, 15) for _ in range(number)]
    hybrid = search_options(text_search=True, vector_search=True)
    print(f"\nms per context, p50 / p95 / largest of {number} questions:\n")
    print("| scope | no search | words | vectors | hybrid |\n| --- | --- | --- | --- | --- |")
    for name, thread, everywhere in (
        ("one thread, by index", large, False),
        ("all of a person's, by index", large, True),
        ("one thread, exactly", small, False),
    ):
        cells = []
        for search in (search_options(), search_options(text_search=True), search_options(vector_search=True), hybrid):
            options = options_of(search_options=search, search_other_threads=everywhere)

            def ask(question: str, thread: Any = thread, options: Any = options) -> None:
                fetch_context(thread=thread, user=thread.owner, text=question, options=options)

            cells.append(milliseconds(ask, questions))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("\n| path | recall@10 | rows of somebody else |\n| --- | --- | --- |")
    for name, scope, owner in (
        ("index, thread", scope_of(thread=large.pk), people[0]),
        ("index, person", scope_of(owner=people[0].pk), people[0]),
        ("exact, thread", scope_of(thread=small.pk), people[1]),
    ):
        share, foreign = recall(scope, questions, owner)
        print(f"| {name} | {share:.3f} | {foreign} |")


if __name__ == "__main__":
    main()
