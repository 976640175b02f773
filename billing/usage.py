"""Token classes. They are disjoint: what was read from a cache is not counted as fresh input, reasoning is not counted as output."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Usage:
    """Tokens of one model call by class. `estimated` ones were counted by us because the provider told nothing."""

    fresh_input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output_text: int = 0
    reasoning: int = 0
    estimated: int = 0

    def as_json(self) -> dict[str, int]:
        """As it is stored on messages and runs; `total` is the sum of the classes."""
        classes = asdict(self)
        return classes | {"total": sum(classes.values()) - self.estimated}


def estimate(prompt_chars: int, answer_chars: int) -> Usage:
    """A guess of four characters a token, for a model call whose provider told no usage."""
    prompt, answer = -(-prompt_chars // 4), -(-answer_chars // 4)
    return Usage(fresh_input=prompt, output_text=answer, estimated=prompt + answer)
