"""How long a person waits for the search over their threads, in a site with many messages.

A fifth of the messages are in 2,000 threads of one person, some in 50 threads of another, the rest are everybody else's. Texts are made-up
words, as unevenly frequent as those of a language.

    python -m benchmarks.search [--messages 1000000] [--searches 20]
"""

import argparse
import os
import random
import statistics
import time
from typing import Any

import django
from django.core.management import call_command
from django.db import connection

from agentsite.embedded import databases
from benchmarks.context import Talk, code, fill, model

BUSY_THREADS, FEW_THREADS, TURNS = 2000, 50, 100


def make(name: str, threads: int, messages: int, talk: Talk) -> Any:
    """A person with so many messages in so many threads."""
    user = model("User").objects.create(username=name)
    for number in range(threads):
        thread = model("Thread").objects.create(owner=user, title=talk.sentence(2, 6))
        model("ThreadMember").objects.create(thread=thread, user=user, role="owner")
        fill(thread, (talk.sentence() for _ in range(messages // threads)))
        if number % 200 == 199:
            print(f"  {name}: {(number + 1) * messages // threads:,} messages", flush=True)
    return user


def timed(user: Any, words: list[str]) -> str:
    """Milliseconds, p50 / max, and how many results."""
    find, times, found = code("threads.finding").find, [], 0
    for each in words:
        begun = time.perf_counter()
        findings = find(user, each, 20)
        times.append((time.perf_counter() - begun) * 1000)
        found += len(findings.titles) + len(findings.messages)
    return f"{statistics.median(times):8.1f} / {max(times):8.1f} {found / len(words):8.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--searches", type=int, default=20)
    options = parser.parse_args()
    talk, dice = Talk(), random.Random(2)
    with databases() as env:
        os.environ.update(env, SECRET_KEY="benchmark", DEBUG="1", LOG_LEVEL="ERROR", DJANGO_SETTINGS_MODULE="agentsite.settings")
        django.setup()
        call_command("migrate", verbosity=0)
        busy = make("busy", BUSY_THREADS, options.messages // 5, talk)
        few = make("few", FEW_THREADS, FEW_THREADS * TURNS, talk)
        make("others", BUSY_THREADS, options.messages * 4 // 5, talk)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        kinds = {
            "the most frequent word": lambda: talk.words[0],
            "a frequent word (1-100)": lambda: talk.words[dice.randrange(1, 100)],
            "a usual word (100-2,000)": lambda: talk.words[dice.randrange(100, 2000)],
            "a rare word": lambda: talk.words[dice.randrange(10_000, 20_000)],
            "two frequent words": lambda: " ".join(talk.words[dice.randrange(100)] for _ in range(2)),
            "a frequent and a rare word": lambda: f"{talk.words[dice.randrange(100)]} {talk.words[dice.randrange(5000, 20_000)]}",
            "three letters": lambda: talk.words[dice.randrange(20_000)][:3],
            "one letter": lambda: talk.words[dice.randrange(20_000)][:1],
        }
        print(f"\n{'ms, p50 / max, results':28} {'200,000 of their own':>28} {'5,000 of their own':>28}")
        for kind, word in kinds.items():
            words = [word() for _ in range(options.searches)]
            print(f"{kind:28} {timed(busy, words):>28} {timed(few, words):>28}", flush=True)


if __name__ == "__main__":
    main()
