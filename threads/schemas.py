"""What callers may save as a message: pydantic models of messages and their parts. Rows hold the same as plain JSON.

Tool parts carry arguments and results here; in rows they live on ToolCall, and the content only names it.
"""

from datetime import UTC
from typing import Annotated, Any, Literal

from django.utils import timezone
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, field_validator, model_serializer
from pydantic import SerializerFunctionWrapHandler as Wrapped

from threads.parts import is_source

Json = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class TextPart(_Part):
    """Words."""

    type: Literal["text"] = "text"
    text: str


class ReasoningPart(_Part):
    """What a model thought before it spoke."""

    type: Literal["reasoning"] = "reasoning"
    text: str


class FilePart(_Part):
    """An image or another file, by address or as a data URL; `to_part` makes one. One that is stored here has the id of its File, and
    its size in bytes."""

    type: Literal["file"] = "file"
    media_type: str = Field(alias="mediaType")
    url: str
    filename: str = ""
    file: str = Field("", pattern=r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$")
    size: int = Field(0, ge=0)

    @model_serializer(mode="wrap")
    def _without_what_is_not_stored(self, plain: Wrapped) -> Json:
        return {name: value for name, value in plain(self).items() if value or name not in ("file", "size")}


class DataPart(_Part):
    """A piece of JSON under a name, such as a structured answer."""

    type: Literal["data"] = "data"
    name: str
    id: str = ""
    data: JsonValue


class ToolCallPart(_Part):
    """A call an assistant asks for. `id` is the caller's own, to be named by its result."""

    type: Literal["tool-call"] = "tool-call"
    id: str
    tool: str = Field(max_length=100)
    arguments: dict[str, JsonValue] = {}


class ToolResultPart(_Part):
    """The outcome of a call: `id` is that of its ToolCallPart in the same batch, or of a call in the thread."""

    type: Literal["tool-result"] = "tool-result"
    id: str
    result: JsonValue = None
    error: str = ""


AnyPart = Annotated[TextPart | ReasoningPart | FilePart | DataPart | ToolCallPart | ToolResultPart, Field(discriminator="type")]


class NewMessage(BaseModel):
    """A message to be saved. `content` may be a plain string; `at` says when it was said, if that was earlier. Positions, ids and versions
    are the thread's to give."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant", "tool", "system"] = "user"
    content: list[AnyPart] = []
    status: Literal["pending", "success", "failed"] = "success"
    agent_name: str = Field("", max_length=100)
    provider: str = Field("", max_length=100)
    model: str = Field("", max_length=200)
    finish_reason: str = Field("", max_length=32)
    usage: dict[str, int] | None = None
    reasoning: list[JsonValue] = []
    sources: list[JsonValue] = []
    warnings: list[JsonValue] = []
    provider_metadata: dict[str, JsonValue] = {}
    error: dict[str, JsonValue] | None = None
    at: AwareDatetime | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _plain_words(cls, content: Any) -> Any:
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    @field_validator("at")
    @classmethod
    def _not_to_come(cls, at: AwareDatetime | None) -> AwareDatetime | None:
        if at is None:
            return None
        try:
            moment = at.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("This is no time of this world.") from error
        if moment.year < 1970:
            raise ValueError("Nothing was said before 1970.")
        return min(moment, timezone.now())

    @field_validator("sources")
    @classmethod
    def _only_pages(cls, sources: list[JsonValue]) -> list[JsonValue]:
        if not all(map(is_source, sources)):
            raise ValueError("Each source is made by threads.parts.source_part.")
        return sources

    @classmethod
    def of(cls, given: "str | Json | NewMessage") -> "NewMessage":
        """A message as callers write it: a string is what a user says."""
        return given if isinstance(given, NewMessage) else cls.model_validate({"content": given} if isinstance(given, str) else given)
