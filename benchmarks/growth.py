"""What ten times the text costs: a reply and a tool's input of growing size, in CPU seconds of each process, with one page watching.

python -m benchmarks.growth
"""

import argparse
import asyncio
import json
import uuid

from aiohttp import ClientSession, WSMsgType

from .cost import Meter, difference
from .stack import Stack, stack

SITE = ("web", "worker", "postgres")
ENDED = ("succeeded", "failed", "stopped")
# Prompts for the fake model: a token is a few letters, as models send them.
REPLY = "[[tokens={tokens} rate=20000]]{word}"
TOOL = '[[fragment=8 rate=20000]][[tool=count {{"filler":"<x*{letters}>"}}]][[next]][[text=Done]]{word}'
SIZES = {
    "reply, KB": (REPLY, {100: {"tokens": 15_000}, 1000: {"tokens": 150_000}}),
    "tool input, KB": (TOOL, {20: {"letters": 20_000}, 200: {"letters": 200_000}}),
}


class Asker:
    """One person with one page."""

    def __init__(self, running: Stack, session: ClientSession) -> None:
        self.running, self.session = running, session

    async def ask(self, prompt: str) -> None:
        """Ask in a new thread, and read every frame until the answer has ended."""
        thread = str(uuid.uuid4())
        async with self.session.post("/api/threads", json={"id": thread}) as made:
            made.raise_for_status()
        async with self.session.ws_connect(f"/ws/threads/{thread}/", headers={"Origin": self.running.url}, max_msg_size=0) as socket:
            async with self.session.post(f"/api/threads/{thread}/messages", json={"text": prompt}) as asked:
                run = (await asked.json())["run"]["id"]
            await asyncio.wait_for(self._until_ended(socket, run), 120)

    async def _until_ended(self, socket: object, run: str) -> None:
        async for message in socket:  # type: ignore[attr-defined]
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            if frame.get("ids_only"):
                await socket.send_json({"type": "sync", "version": frame["version"] - 1, "cursors": {}})  # type: ignore[attr-defined]
            if any(row["id"] == run and row["status"] in ENDED for row in frame.get("runs", [])):
                return


async def measure(running: Stack, rounds: int) -> None:
    """Print the cost of each size, and the ratio between them."""
    meter: Meter = running.meter(*SITE)
    async with ClientSession(running.url, headers=running.people(1)[0]) as session:
        asker = Asker(running, session)
        await asker.ask(REPLY.format(tokens=1000, word="warm"))
        for name, (prompt, sizes) in SIZES.items():
            costs = {size: await cost(asker, meter, prompt, words, rounds) for size, words in sizes.items()}
            small, large = costs.values()
            for size, found in costs.items():
                print(f"{name} {size:>5}: " + ", ".join(f"{part} {seconds:.3f} s" for part, seconds in found.items()))
            print(f"{name} ratio: " + ", ".join(f"{part} {large[part] / max(small[part], 0.01):.1f}" for part in small), flush=True)


async def cost(asker: Asker, meter: Meter, prompt: str, words: dict[str, int], rounds: int) -> dict[str, float]:
    """CPU seconds of each process for one answer; the least of some rounds."""
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        before = meter.cpu()
        await asker.ask(prompt.format(word=uuid.uuid4().hex, **words))
        found.append(difference(before, meter.cpu()))
    return {part: min(each[part] for each in found) for part in found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with stack() as running:
        asyncio.run(measure(running, options.rounds))


if __name__ == "__main__":
    main()
