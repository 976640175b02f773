"""The rig, and how large an experiment is: small in `make test`, large with `make chaos`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from tests.chaos.browsers import Browsers
from tests.chaos.people import Crowd
from tests.chaos.rig import Rig, running_rig
from tests.chaos.table import TABLE, Row


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full`: as often as the promises say; `--soak`: how long to be patient."""
    parser.addoption("--soak", default="180", help="seconds of the soak test")
    parser.addoption("--full", action="store_true", help="run the experiments with real faults at their full size")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder kills something."""
    for item in items:
        if item.path.parent.name == "chaos":
            item.add_marker("chaos")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of what was broken and what it cost."""
    if TABLE.rows:
        terminalreporter.section("faults")
        for line in TABLE.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """One site for all experiments: what one of them leaves behind, the others have to live with."""
    with running_rig() as rig:
        yield rig
        assert "sk-chaos-secret" not in rig.logs()


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--full"))


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """The experiment's line in the table: the first line of its docstring."""
    return TABLE.row((request.function.__doc__ or request.node.name).strip().splitlines()[0])


@pytest_asyncio.fixture
async def crowd(rig: Rig) -> AsyncIterator[Crowd]:
    """People with browsers, while the supervisor starts again whatever dies."""

    async def tick() -> None:
        while True:
            rig.tick()
            await asyncio.sleep(0.1)

    ticking = asyncio.create_task(tick())
    async with Browsers(rig.url) as browsers, Crowd(rig, browsers) as crowd:
        yield crowd
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
