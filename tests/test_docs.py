"""Every Python block of the documentation runs, one page after another, with the demo model."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.agent import Agent
from threads.models import Thread, User

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(page for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if "```python" in page.read_text())
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_run(
    page: Path, alice: User, bob: User, thread: Thread, ask: Callable[..., Any], offered: dict[str, Agent], settings: Any
) -> None:
    settings.MODEL = "demo"
    olga = User.objects.create_user("olga")
    names: dict[str, Any] = {"alice": alice, "bob": bob, "olga": olga, "thread": thread, "ask": ask, "offered": offered, "__name__": "docs"}
    text = page.read_text()
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        exec(compile("\n" * line + block[1], str(page), "exec"), names)
