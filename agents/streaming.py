"""How text is cut on its way out: a model sends pieces of words; a voice needs whole sentences, and fewer commits cost less.

Agent("speaker", streaming=StreamOptions(chunking="sentence"))
generate(agent, "Hi", thread=thread, streaming=StreamOptions(interval=0.25))
"""

import re
from collections.abc import Callable, Iterator

from pydantic import BaseModel, ConfigDict, Field

PATTERNS = {
    "word": r"\s*\S+\s+",
    "line": r"[^\n]*\n+",
    "sentence": r"[^\n]*?(?:[.!?…]+[\"'”’)\]]*\s+|[。！？]|\n+)",
}
# A chunk takes the beginning of the text off, or says that there is none yet.
Chunk = Callable[[str], str | None]


class StreamOptions(BaseModel):
    """interval: least seconds between two commits of what is streamed; 0: as soon as can be.

    chunking: `word`, `line`, `sentence`, a regular expression (a chunk ends with its match), or a function that gives the first chunk
    of what has come so far, or None. Empty: as the model sends it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: float = Field(default=0.0, ge=0, le=10)
    chunking: str | Chunk = ""

    def chunker(self) -> "Chunker":
        """A new one, for one text."""
        return Chunker(self.chunking)


class Chunker:
    """Cuts one text as it comes."""

    def __init__(self, chunking: str | Chunk) -> None:
        self._rest = ""
        self._first: Chunk | None = None
        if callable(chunking):
            self._first = chunking
        elif chunking in PATTERNS:
            self._first = _matching(PATTERNS[chunking])
        elif chunking:
            self._first = _matching(rf"(?s:.*?)(?:{chunking})")

    def feed(self, text: str) -> Iterator[str]:
        """The chunks that are complete with this."""
        if self._first is None:
            yield text
            return
        self._rest += text
        while self._rest and (chunk := self._first(self._rest)):
            if not self._rest.startswith(chunk):
                raise ValueError("A chunk must be the beginning of the text.")
            self._rest = self._rest[len(chunk) :]
            yield chunk

    def flush(self) -> str:
        """What is left at the end of the text."""
        rest, self._rest = self._rest, ""
        return rest


def _matching(pattern: str) -> Chunk:
    compiled = re.compile(pattern)

    def first(text: str) -> str | None:
        found = compiled.match(text)
        return found[0] if found else None

    return first
