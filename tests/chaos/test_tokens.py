"""No token is lost: what is saved is what everybody saw, and what the model's server sent until the end."""

import asyncio
import random
import uuid
from dataclasses import dataclass

from tests.chaos.people import Crowd, Person
from tests.chaos.table import Row

AT_ONCE = 40
# (how it ends, share): `finish` in one go; a fault that passes; one that stays; a stop by the person.
ENDS = ["finish"] * 5 + ["stop"] * 2 + ["cut", "error", "no_finish", "bad_json", "429", "500", "401", "cut once", "500 once", "slow first"]
LENGTHS = [0, 1, 2, 5, 40, 200, 1000, 5000]


@dataclass
class Plan:
    """One answer and how it is to end."""

    word: str
    end: str
    tokens: int
    rate: float
    after: int

    @classmethod
    def draw(cls, dice: random.Random) -> "Plan":
        end = dice.choice(ENDS)
        tokens = dice.choices(LENGTHS, weights=[2, 3, 3, 4, 6, 4, 2, 1])[0]
        if end == "stop":
            tokens = max(tokens, 200)
        rate = 0.0 if dice.random() < 0.5 and end != "stop" else float(max(dice.choice([50, 200, 1000]), tokens / 8))
        return cls(uuid.UUID(int=dice.getrandbits(128)).hex, end, tokens, rate, dice.randrange(max(1, tokens)))

    @property
    def prompt(self) -> str:
        """The directives for the fake model. The word makes each prompt count its own faults."""
        fault, _, times = self.end.partition(" ")
        said = f"tokens={self.tokens} rate={self.rate:g}" if self.tokens else "silent"
        match fault:
            case "finish" | "stop":
                return f"[[{said}]]{self.word}"
            case "slow":
                return f"[[{said} delay=1.5]]{self.word}"
        return f"[[{said} fault={fault} after={self.after} times={int(times == 'once')}]]{self.word}"

    def expects(self, status: str, text: str, everything: str) -> bool:
        """Whether a run may have ended so. `everything` is what the model would say if nothing came in between."""
        if self.end == "stop":
            return status in ("stopped", "succeeded") and everything.startswith(text) and (status == "stopped" or text == everything)
        if self.end in ("cut", "error", "no_finish", "bad_json"):
            return status == "failed" and text == "".join(f"w{n} " for n in range(self.after))
        if self.end in ("429", "500", "401"):
            return status == "failed" and text == ""
        return status == "succeeded" and text == everything


async def answer(person: Person, plan: Plan, dice: random.Random) -> list[str]:
    """Ask, watch with two browsers, stop if that is the plan; what is wrong with the result."""
    thread = await person.thread()
    tabs = [await person.open(thread), await person.open(thread)]
    run = await person.ask(thread, plan.prompt)
    if plan.end == "stop":
        await asyncio.sleep(dice.uniform(0, 1.5))
        await person.post(f"/runs/{run}/stop")
    seen = [await person.browsers.saw_end(run, tab, 60) for tab in tabs]
    rows = await person.rows(thread)
    found = [row for row in rows["messages"] if row["run"] == run and row["role"] == "assistant"]
    text = "".join(part["text"] for row in found for part in row["content"] if part["type"] == "text")
    everything = "".join(f"w{n} " for n in range(plan.tokens))
    wrong = []
    if not plan.expects(seen[0]["status"], text, everything):
        wrong.append(f"{plan}: ended {seen[0]['status']} with {text[-80:]!r} ({len(text)} characters)")
    wrong += [f"{plan}: a browser showed more than was saved" for each in seen if not text.startswith(each["shown"])]
    wrong += await shown_otherwise(person, thread, [*tabs])
    for tab in tabs:
        await person.browsers.close(tab)
    return wrong + await committed_otherwise(person, run, text)


async def shown_otherwise(person: Person, thread: str, tabs: list[str]) -> list[str]:
    """The browsers whose pages differ from one that is opened now."""
    page = await person.fresh(thread)
    views = {tab: await person.browsers.view(tab) for tab in tabs}
    return [f"{tab} shows {view['shown']}, not {page['shown']}" for tab, view in views.items() if view["shown"] != page["shown"]]


async def committed_otherwise(person: Person, run: str, text: str) -> list[str]:
    """The deltas of the last attempt have to add up to what was saved."""
    sql = """SELECT coalesce(string_agg(part->>'delta', '' ORDER BY d.start, n), '')
             FROM threads_delta d JOIN threads_run r ON r.id = d.run_id AND r.attempt = d.attempt,
                  jsonb_array_elements(d.parts) WITH ORDINALITY AS p(part, n)
             WHERE d.run_id = %s AND part->>'type' = 'text-delta'"""
    ((streamed,),) = await asyncio.to_thread(person.rig.query, sql, run)
    return [] if streamed == text else [f"{run}: streamed {len(streamed)} characters, saved {len(text)}"]


async def test_random_answers(crowd: Crowd, row: Row, full: bool) -> None:
    """answers that finish, stop, break or fail at random places"""
    dice = random.Random(20261121)
    plans = [Plan.draw(dice) for _ in range(5000 if full else 500)]
    people = await crowd.come(AT_ONCE)
    queue = iter(plans)
    wrong: list[str] = []

    async def work(person: Person) -> None:
        for plan in queue:
            wrong.extend(await answer(person, plan, dice))
            row.runs += 1

    await asyncio.gather(*(work(person) for person in people))
    row.times, row.lost = len([plan for plan in plans if plan.end != "finish"]), len(wrong)
    assert wrong == []
