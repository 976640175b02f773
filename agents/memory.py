"""Long-term memories: what a person asked to be remembered, in all their conversations.

    Agent("companion", tools=[remember, forget], context_options=ContextOptions(memories=True))

The person sees and deletes them too (`/api/memories`).
"""

from typing import Annotated

from pydantic import Field

from agents.errors import ToolError
from agents.tools import ToolContext, tool
from threads.models import Memory

MOST = 200


@tool(idempotent=True)
def remember(context: ToolContext, fact: Annotated[str, Field(min_length=1, max_length=500)]) -> dict[str, object]:
    """Remember a fact about the person for later conversations. Only when they want it; one fact in one short sentence."""
    if context.user is None:
        raise ToolError("Nobody is signed in, so nothing can be remembered.")
    if Memory.objects.filter(user=context.user).count() >= MOST:
        raise ToolError(f"There are {MOST} memories already; forget one first.")
    memory, _ = Memory.objects.get_or_create(user=context.user, text=fact.strip(), defaults={"thread_id": context.thread_id})
    return {"id": memory.pk, "remembered": memory.text}


@tool(idempotent=True)
def forget(context: ToolContext, fact: str) -> dict[str, object]:
    """Forget a fact about the person, given in the words in which it was remembered."""
    known = Memory.objects.filter(user=context.user) if context.user else Memory.objects.none()
    gone = known.filter(text__iexact=fact.strip()) or known.filter(text__icontains=fact.strip())
    if not gone or not fact.strip():
        raise ToolError("Nothing like this is remembered. There is: " + ("; ".join(m.text for m in known[:20]) or "nothing"))
    if len(gone) > 1:
        raise ToolError("Which one? " + "; ".join(memory.text for memory in gone[:20]))
    text = gone[0].text
    gone[0].delete()
    return {"forgotten": text}
