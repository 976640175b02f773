"""What an agent is told besides its instructions and the prompt."""

from pydantic import BaseModel, ConfigDict, Field


class SearchOptions(BaseModel):
    """Looking for earlier messages that are like the prompt; off unless one of the two searches is on.

    limit: so many messages at most, before their neighbours. message_range: turns before and after each of them.
    vector_score_threshold: cosine similarity that a likeness must exceed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=10, ge=0, le=200)
    text_search: bool = False
    vector_search: bool = False
    vector_score_threshold: float = 0.0
    message_range: tuple[int, int] = (2, 1)


class ContextOptions(BaseModel):
    """What is taken from the thread, and from elsewhere.

    recent_messages: newest rows of earlier turns; those of the prompt's own turn are always told.
    exclude_tool_messages: leaves out tool calls of earlier turns. Off: a follow-up question is often about what a tool has found.
    search_other_threads: searches all threads of who asks, not this one alone. Mind who else reads the answer.
    title_and_summary, memories: tells the thread's title and summary, and what is remembered of the person.
    max_tokens: of everything together; None: the window of the model. summarise: what has no room is summed up, not just left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recent_messages: int = Field(default=100, ge=0, le=10_000)
    exclude_tool_messages: bool = False
    search_options: SearchOptions = SearchOptions()
    search_other_threads: bool = False
    title_and_summary: bool = False
    memories: bool = False
    max_tokens: int | None = Field(default=None, ge=100)
    summarise: bool = True
