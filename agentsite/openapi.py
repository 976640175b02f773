"""The API's document: what ninja knows of each operation, and how it may fail."""

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

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


class DescribedAPI(NinjaAPI):
    """Its document says of each operation how it may fail."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """As ninja makes it, and the errors."""
        schema = super().get_openapi_schema(**options)
        schema["components"]["schemas"]["Error"] = ERROR
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                told = ERRORS | (BODY_ERRORS if "requestBody" in operation else {}) | (CHANGE_ERRORS if method != "get" else {})
                operation["responses"] |= {status: {"description": text, "content": content} for status, text in told.items()}
        return schema
