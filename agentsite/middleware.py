"""The site's own middleware."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def in_one_thread(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Last in the list, and sync only: so all of them run in one thread, one after another.

    Left to itself, ASGI runs each hook of each middleware in a thread hop of its own, which costs more than the middleware.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware
