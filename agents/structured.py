"""Structured answers: JSON that fits a type, made sure here whatever the model's server promises.

class Recipe(BaseModel):
    title: str
    minutes: int

recipe = generate("cook", "Something with leeks", output=Recipe).object
"""

from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

# Servers want an object at the top: other types travel inside one.
WRAPPED = "value"
DROPPED = ("default", "title")


class Format:
    """A type as a model is asked for it, and how its answers are read."""

    def __init__(self, output: Any) -> None:
        self.adapter: TypeAdapter[Any] = TypeAdapter(output)
        plain = self.adapter.json_schema()
        self.wraps = plain.get("type") != "object"
        self.schema = strict(plain)
        if self.wraps:
            definitions = self.schema.pop("$defs", None)
            self.schema = {"type": "object", "properties": {WRAPPED: self.schema}, "required": [WRAPPED], "additionalProperties": False}
            if definitions:
                self.schema["$defs"] = definitions

    def read(self, text: str) -> Any:
        """The value of an answer. Raises ValueError with words that a model can act on."""
        try:
            data = from_json(_unfenced(text))
            return self.adapter.validate_python(data[WRAPPED] if self.wraps and isinstance(data, dict) and WRAPPED in data else data)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, each['loc'])) or 'the answer'}: {each['msg']}" for each in error.errors(include_url=False)[:10]
            ]
            raise ValueError("; ".join(problems)) from error

    def partial(self, text: str) -> Any:
        """What there is of a value so far, not validated; None while nothing can be read."""
        try:
            data = from_json(_unfenced(text), allow_partial="trailing-strings")
        except ValueError:
            return None
        return data.get(WRAPPED) if self.wraps and isinstance(data, dict) else data


@cache
def format_of(output: Any) -> Format:
    """The format of a type, made once."""
    return Format(output)


def strict(schema: Any) -> Any:
    """A JSON schema as strict servers want it: every property required, none besides."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: strict(value) for key, value in schema.items() if key not in DROPPED or isinstance(value, dict)}
    if isinstance(tidy.get("properties"), dict):
        tidy |= {"required": list(tidy["properties"]), "additionalProperties": False}
    return tidy


def _unfenced(text: str) -> str:
    """Some models put their JSON into a Markdown block, whatever they are told."""
    text = text.strip()
    return text.partition("\n")[2].removesuffix("```") if text.startswith("```") else text
