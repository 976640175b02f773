"""Child processes that are restarted when they die and never outlive this one, not even after `kill -9`."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TICK = 0.1
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
# What each stage of the stop may take; databases go after those who use them. Together under 5 s.
PATIENCE = {False: 2.4, True: 1.4}
LAST_WORDS = 0.3
LONGEST_BACKOFF = 15
STEADY = 10
SLOW = 5
LONGEST_LINE = 300


class StartError(Exception):
    """Something that the person at the terminal can put right, as one sentence."""


def say(line: str) -> None:
    """One line for the person at the terminal."""
    print(f"agentsite: {line}", flush=True)


@dataclass(frozen=True)
class Child:
    """What to run. Its output goes to the file `log`; `user` is another system user to run as (only root can)."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    cwd: Path | None = None
    user: str | None = None
    database: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    keep_fds: tuple[int, ...] = ()

    def last_line(self) -> str:
        """The last line it wrote, for messages."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1][:LONGEST_LINE] if lines else "it wrote nothing"


def dying_with_me(orphan_signal: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends the child this signal when the thread that forked it ends, so fork from the main thread."""
    parent = os.getpid()

    def in_child() -> None:
        # Runs after Popen has changed the user: a change of credentials would clear it.
        if LIBC:
            LIBC.prctl(PR_SET_PDEATHSIG, int(orphan_signal))
        # The parent may have died before the line above took effect.
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def spawn(child: Child) -> subprocess.Popen[bytes]:
    """Starts the child in its own session, so that the terminal's Ctrl-C reaches only us."""
    child.log.parent.mkdir(mode=0o700, exist_ok=True)
    with child.log.open("ab") as log:
        return subprocess.Popen(
            child.argv,
            env=dict(child.env),
            cwd=child.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
            pass_fds=child.keep_fds,
            preexec_fn=dying_with_me(child.orphan_signal),
            user=child.user,
            group=child.user,
            extra_groups=[] if child.user else None,
        )


@dataclass
class Running:
    """A child's process now, or the moment at which it gets its next one."""

    child: Child
    process: subprocess.Popen[bytes]
    since: float = field(default_factory=time.monotonic)
    failures: int = 0
    again_at: float | None = None

    def tick(self) -> None:
        """Notices an end, and restarts when the back-off is over."""
        now = time.monotonic()
        if self.again_at is None and self.process.poll() is not None:
            self.failures = 1 if now - self.since > STEADY else self.failures + 1
            delay = min(2.0 ** (self.failures - 2), LONGEST_BACKOFF)
            self.again_at = now + delay
            ended = f"{self.child.name} {outcome(self.process.returncode)} ({self.child.last_line()})"
            say(f"{ended}, starting it again in {delay:g} s (log: {self.child.log}).")
        elif self.again_at is not None and now >= self.again_at:
            self.process, self.since, self.again_at = spawn(self.child), now, None

    def signal(self, number: signal.Signals) -> None:
        """To the whole process group, if the child still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def ended_by(self, deadline: float) -> bool:
        """Waits for the end until `deadline`."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True


def outcome(code: int) -> str:
    """An exit code in words."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


class Supervisor:
    """Keeps children running until it is left; then ends them and runs `cleanup`. Use it in the main thread."""

    def __init__(self) -> None:
        self._running: list[Running] = []
        self._parent = os.getppid()
        self.cleanup = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for database in (False, True):
            self._stop([running for running in self._running if running.child.database is database], PATIENCE[database])
        self.cleanup.close()

    def start(self, child: Child) -> None:
        """Starts one more child, with an empty log."""
        child.log.unlink(missing_ok=True)
        self._running.append(Running(child, spawn(child)))

    def wait(self, child: Child, ready: Callable[[], bool], slow: str) -> None:
        """Returns when `ready()`; says `slow` once when that takes long, and raises StartError when the child ends first."""
        running = next(running for running in self._running if running.child is child)
        patient_until: float | None = time.monotonic() + SLOW
        while not ready():
            if running.process.poll() is not None:
                raise StartError(f"{child.name} {outcome(running.process.returncode)}: {child.last_line()} (log: {child.log})")
            if patient_until and time.monotonic() > patient_until:
                say(slow)
                patient_until = None
            self.tick()
            time.sleep(TICK)

    def tick(self) -> None:
        """Restarts who died. Ends the program when its own parent (make, a shell, a test) is gone."""
        if os.getppid() != self._parent:
            raise SystemExit(1)
        for running in self._running:
            running.tick()

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Restarts who dies until `until()` or a signal's SystemExit."""
        while not until():
            self.tick()
            time.sleep(TICK)

    def _stop(self, group: list[Running], patience: float) -> None:
        for running in group:
            running.signal(running.child.stop_signal)
        deadline = time.monotonic() + patience
        late = [running for running in group if not running.ended_by(deadline)]
        # For Postgres this is the immediate shutdown: its children have groups of their own that SIGKILL would not reach.
        for running in late:
            running.signal(signal.SIGQUIT)
        deadline = time.monotonic() + LAST_WORDS
        for running in late:
            if not running.ended_by(deadline):
                running.signal(signal.SIGKILL)
                running.process.wait()
