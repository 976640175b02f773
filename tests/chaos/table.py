"""What the experiments found, printed at the end of a run: one line a fault."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """One kind of fault. `lost` counts answers, tokens or effects that are not as they should be; times are seconds."""

    fault: str
    times: int = 0
    runs: int = 0
    lost: int = 0
    recoveries: list[float] = field(default_factory=list)

    def line(self) -> str:
        """As a line of the table."""
        times = sorted(self.recoveries)
        recovery = f"{times[len(times) // 2]:6.2f} / {times[-1]:6.2f}" if times else "      –         "
        return f"{self.fault:<58} {self.times:>6} {self.runs:>6} {self.lost:>5}   {recovery}"


class Table:
    """The rows of a session."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def row(self, fault: str) -> Row:
        """A new row, which the experiment fills."""
        self.rows.append(Row(fault))
        return self.rows[-1]

    def lines(self) -> list[str]:
        """The whole table."""
        head = f"{'fault':<58} {'times':>6} {'runs':>6} {'lost':>5}   recovery s, p50 / max"
        return [head, "-" * len(head), *(row.line() for row in self.rows)]


TABLE = Table()
