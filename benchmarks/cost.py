"""What processes cost: CPU seconds between two readings, and memory, by name of the part they play."""

from dataclasses import dataclass

import psutil


@dataclass
class Meter:
    """Reads the processes behind each name, with all their children."""

    roots: dict[str, int]

    def _tree(self, pid: int) -> list[psutil.Process]:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far; a parent accounts for its children that have ended."""
        return {name: sum(map(_cpu, self._tree(pid))) for name, pid in self.roots.items()}

    def memory(self) -> dict[str, float]:
        """Summed PSS in MB: a page shared by n processes counts 1/n for each."""
        return {name: sum(map(_pss, self._tree(pid))) / 1e6 for name, pid in self.roots.items()}


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0.0


def difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was used between two readings."""
    return {name: after[name] - before[name] for name in after}
