"""An OpenAI-compatible model server for tests and benchmarks; `plan.py` says what it can be told to do."""

from .plan import Call, Plan
from .server import FakeOpenAI, Seen

__all__ = ["Call", "FakeOpenAI", "Plan", "Seen"]
