"""The API's document: what ninja knows of each operation, the shape of what it answers, and how it may fail."""

from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from django.http import HttpResponse
from ninja import NinjaAPI, Status
from ninja.openapi.schema import REF_TEMPLATE, OpenAPISchema
from ninja.operation import Operation
from pydantic import TypeAdapter

# What any operation may answer besides, and what only those that take a body or change something.
ERRORS = {
    400: "Something sent is not usable; `field` names it.",
    401: "Nobody is signed in, or the API key is not valid.",
    403: "Not allowed, or not with this key.",
    404: "Not there, or not yours.",
    503: "The database is away.",
}
BODY_ERRORS = {413: "Larger than allowed.", 415: "Of another content type than what is taken here."}
CHANGE_ERRORS = {402: "A budget is used up.", 409: "Taken, decided or going on already.", 429: "A limit is reached."}
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["kind", "message"],
            "properties": {
                "kind": {"type": "string"},
                "message": {"type": "string"},
                "field": {"type": "string"},
                "retry_after": {"type": "number"},
            },
        }
    },
}


class Shaped(OpenAPISchema):
    """Answers have the shape of what the route says that it returns. As `response=` it would be checked with each answer, too: ten
    milliseconds for a page of 200 messages. That it is true is for the type checker and the tests."""

    def responses(self, operation: Operation) -> dict[int, dict[str, Any]]:
        """By status."""
        answers = super().responses(operation)
        returned = get_type_hints(operation.view_func, include_extras=True)["return"]
        shape = get_args(returned)[0] if get_origin(returned) is Status else returned
        if shape is not type(None) and shape is not HttpResponse:
            schema, named = _described(shape)
            self.add_schema_definitions(named)
            for answer in answers.values():
                answer["content"] = {"application/json": {"schema": schema}}
        return answers


@cache
def _described(shape: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its JSON schema, and those that are named in it. Made anew they are most of the document's 0.4 s."""
    schemas, named = TypeAdapter.json_schemas([("answer", "serialization", TypeAdapter(shape))], ref_template=REF_TEMPLATE)
    return schemas["answer", "serialization"], named["$defs"]


class DescribedAPI(NinjaAPI):
    """Its document says of each operation what it answers and how it may fail."""

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None) -> OpenAPISchema:
        """As ninja makes it, with shapes and errors."""
        schema = Shaped(self, self.get_root_path(path_params or {}) if path_prefix is None else path_prefix)
        schema["components"]["schemas"]["Error"] = ERROR
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                told = ERRORS | (BODY_ERRORS if "requestBody" in operation else {}) | (CHANGE_ERRORS if method != "get" else {})
                operation["responses"] |= {status: {"description": text, "content": content} for status, text in told.items()}
        return schema
