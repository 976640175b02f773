"""The site's own middleware."""

from collections.abc import Callable

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import get_language, gettext, gettext_noop, override

from threads.models import User
from threads.models.people import ZONES

API_ERRORS = {
    404: ("not_found", gettext_noop("There is no such thing here.")),
    405: ("bad_input", gettext_noop("This address does not take this method.")),
}


def api_errors(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Addresses and methods that the API does not know get an error of the API's shape too, not a page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        known = API_ERRORS.get(response.status_code)
        if known is None or not request.path.startswith("/api/") or response.get("Content-Type", "").startswith("application/json"):
            return response
        error = JsonResponse({"error": {"kind": known[0], "message": gettext(known[1])}}, status=response.status_code)
        if "Allow" in response:
            error["Allow"] = response["Allow"]
        return error

    return middleware


# They answer whatever the database does.
PROBES = ("/healthz", "/readyz")


def in_their_terms(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Whoever is signed in has pages in the language they chose, or else in the browser's, and with the days of their time zone, or else of
    the browser's."""

    def middleware(request: HttpRequest) -> HttpResponse:
        user = None if request.path in PROBES else _person(request)
        if user is None:
            return get_response(request)
        language = user.language if user.language in dict(settings.LANGUAGES) else get_language()
        zone = user.time_zone or request.COOKIES.get("time_zone", "")  # which the chat's pages set
        with override(language), timezone.override(zone if zone in ZONES else None):
            response = get_response(request)
        response.headers.setdefault("Content-Language", language or settings.LANGUAGE_CODE)
        return response

    return middleware


def _person(request: HttpRequest) -> User | None:
    """Who is signed in. A database that is away is met again, and told, where the request is handled."""
    try:
        return request.user if isinstance(request.user, User) else None
    except OperationalError:
        return None


def in_one_thread(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Last in the list, and sync only: so all of them run in one thread, one after another.

    Left to itself, ASGI runs each hook of each middleware in a thread hop of its own, which costs more than the middleware.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware
