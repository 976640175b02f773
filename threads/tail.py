"""Reading along: the parts of a run from its committed rows, for whoever is not in the process that writes them."""

from threads.models import Run
from threads.parts import Part


class Tail:
    """What a run streams, in order and without holes. A None says that what the present step has said so far is void."""

    def __init__(self, run: Run, cursor: int = 0) -> None:
        self.run, self.cursor, self.attempt, self.base = run, cursor, run.attempt, run.base

    def read(self) -> list[Part | None]:
        """What came since the last time; `run` is as fresh as that. Deltas are kept for five minutes after a run's end."""
        self.run.refresh_from_db()
        found: list[Part | None] = []
        if self.run.attempt != self.attempt:
            self.attempt = self.run.attempt
            # A step may have been saved since: what is void is what was read after the base of that time.
            if self.cursor > self.base:
                self.cursor = self.base
                found.append(None)
        self.base = self.run.base
        batches = self.run.deltas.filter(start__gte=self.cursor).order_by("start", "-attempt")
        for attempt, start, end, parts in batches.values_list("attempt", "start", "end", "parts"):
            # Of a saved step the last attempt counts; what is above `base` counts only in the present one.
            if start == self.cursor and (end <= self.run.base or attempt == self.attempt):
                found += parts
                self.cursor = end
        return found
