"""Model providers: each is one generator of plain events; nothing of an SDK leaks past its file."""

from collections.abc import AsyncIterator

from agents.providers import demo, openai, scripted
from agents.providers.events import Event, Request


def stream(request: Request) -> AsyncIterator[Event]:
    """Ask the model. Raises ProviderError, before or between events."""
    if scripted.ScriptedModel.active is not None:
        return scripted.ScriptedModel.active.stream(request)
    return demo.stream(request) if request.model == "demo" else openai.stream(request)


def provider_of(model: str) -> str:
    """Who will be asked, by the name that the ledger has."""
    if scripted.ScriptedModel.active is not None:
        return scripted.PROVIDER
    return demo.PROVIDER if model == "demo" else openai.provider()
