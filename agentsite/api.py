"""The JSON API: one error shape, the session for browsers (with CSRF), keys for programs, the same routes for both."""

import logging
from math import ceil
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_noop
from ninja import Swagger
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser

from agents.api import router
from agents.operator_api import router as operator_router
from agents.playground_api import router as playground_router
from agentsite.openapi import DescribedAPI
from billing.api import router as billing_router
from billing.budgets import BudgetExceeded, PriceUnknown
from billing.limits import LimitExceeded
from threads.authentication import KeyAuth, PageAuth
from threads.errors import AgentError, BadInput, Conflict, Forbidden
from threads.exporting import router as exporting_router
from threads.feedback import router as feedback_router
from threads.importing import router as importing_router
from threads.sharing import router as sharing_router
from threads.storable import unstorable
from threads.uploads import router as uploads_router
from threads.words import complaint, grouped

logger = logging.getLogger(__name__)


class TextParser(Parser):
    """Refuses what Postgres cannot store, wherever in a request it is."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The body's JSON; BadInput names the place of what is no text or no number."""
        if request.content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
            raise HttpError(415, gettext("Send JSON, with the content type application/json."))
        data = _require_storable(super().parse_body(request))
        if not isinstance(data, dict):  # pydantic would look for attributes, and take the defaults or, of a text, `"x".title`
            raise BadInput("body", gettext("Send a JSON object."))
        return data

    def parse_querydict(self, data: Any, list_fields: list[str], request: HttpRequest) -> Any:
        """The query's values."""
        return _require_storable(super().parse_querydict(data, list_fields, request))


def _require_storable(data: Any) -> Any:
    place = unstorable(data)
    if place is not None:
        said = gettext("This contains characters that are no text (NUL or half of a surrogate pair), or no number.")
        raise BadInput(place or "body", said)
    return data


api = DescribedAPI(title="agentsite", version="1", auth=[KeyAuth(), PageAuth()], docs=Swagger(), urls_namespace="api", parser=TextParser())
api.add_router("", router)
api.add_router("", operator_router)
api.add_router("playground", playground_router)
api.add_router("", feedback_router)
api.add_router("", exporting_router)
api.add_router("", importing_router)
api.add_router("", sharing_router)
api.add_router("", uploads_router)
api.add_router("", billing_router)
KINDS = {
    400: "bad_input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "bad_input",
    413: "too_large",
    415: "bad_input",
    429: "limit",
}
RETRY_SECONDS = 2
# What the framework says of requests, in English.
FRAMEWORK = (gettext_noop("Cannot parse request body"), gettext_noop("CSRF check Failed"))
STATUS: dict[type[AgentError], int] = {
    BadInput: 400,
    Forbidden: 403,
    Conflict: 409,
    LimitExceeded: 429,
    BudgetExceeded: 402,
    PriceUnknown: 402,
}


def _error(request: HttpRequest, status: int, kind: str, message: str, **more: Any) -> HttpResponse:
    return api.create_response(request, {"error": {"kind": kind, "message": message, **more}}, status=status)


@api.exception_handler(AgentError)
def on_agent_error(request: HttpRequest, error: AgentError) -> HttpResponse:
    """Expected: the caller is told what to do next."""
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    response = _error(request, status, error.kind, str(error), **error.details())
    if error.retry_after is not None:
        response["Retry-After"] = str(ceil(error.retry_after))
    return response


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The request does not fit the route's form; the first problem is named."""
    first = error.errors[0]
    where, *place = first["loc"]
    # In a body the name of the route's parameter comes first, which is ours alone.
    field = ".".join(str(each) for each in place[where == "body" :])
    return _error(request, 400, "bad_input", complaint(first)[:300], field=field or "body")


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Malformed JSON, a missing CSRF token and their like. What our parser says comes wrapped in one."""
    if isinstance(error.__cause__, AgentError):
        return on_agent_error(request, error.__cause__)
    if isinstance(error.__cause__, HttpError):
        return on_http_error(request, error.__cause__)
    return _error(request, error.status_code, KINDS.get(error.status_code, "internal"), gettext(str(error)))


@api.exception_handler(RequestDataTooBig)
def on_too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    """The body is over the limit."""
    del error
    said = gettext("The request is larger than %(size)s bytes.") % {"size": grouped(settings.MAX_BODY_BYTES)}
    return _error(request, 413, "too_large", said)


@api.exception_handler(SuspiciousOperation)
def on_suspicious(request: HttpRequest, error: SuspiciousOperation) -> HttpResponse:
    """Django refuses it: more than a thousand fields, and the like."""
    return _error(request, 400, "bad_input", str(error))


@api.exception_handler(AuthenticationError)
def on_anonymous(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """Nobody is signed in, or with a key that is not valid."""
    answer = _error(request, 401, "unauthenticated", gettext("Sign in first.") if error.message == "Unauthorized" else error.message)
    answer["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(Http404)
def on_not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    """Not there, or not yours: nobody can tell which."""
    del error
    return _error(request, 404, "not_found", gettext("There is no such thing here."))


@api.exception_handler(OperationalError)
def on_database_away(request: HttpRequest, error: OperationalError) -> HttpResponse:
    """The database restarts, or all connections are busy; what was begun is rolled back."""
    logger.warning("%s %s: the database is away (%s)", request.method, request.path, error)
    response = _error(request, 503, "unavailable", gettext("The site is busy. Try again in a moment."), retry_after=RETRY_SECONDS)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


@api.exception_handler(Exception)
def on_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    """Our fault: logged in full, told in one sentence."""
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return _error(request, 500, "internal", gettext("Something went wrong on our side."))
