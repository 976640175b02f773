"""Who is asking: a person by the session of their browser, or a program by an API key, over HTTP and over sockets alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie
from django.utils.translation import gettext
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer, SessionAuth

from threads.access import require_scope
from threads.models import ApiKey, User

READING = ("GET", "HEAD", "OPTIONS")
BEARER = "bearer "


@dataclass(frozen=True)
class Caller:
    """Somebody who was let in, and by what: the row whose end is theirs too."""

    user: User
    session_key: str = ""
    api_key: int | None = None

    @property
    def password(self) -> str:
        """Its hash, for a session ends with the password it was begun with. A key does not."""
        return "" if self.api_key else self.user.password


class KeyAuth(HttpBearer):
    """`Authorization: Bearer <key>`. Reading needs the scope `read`, everything else at least `write`."""

    def authenticate(self, request: HttpRequest, token: str) -> User:
        """The key's owner; AuthenticationError if it is not valid: somebody who shows a key is not let in by a cookie."""
        found = ApiKey.objects.person(token)
        if found is None:
            raise AuthenticationError(message=gettext("This API key is not valid, or not any more."))
        _, request.user = found
        require_scope(request.user, "view" if request.method in READING else "write")
        return request.user


class PageAuth(SessionAuth):
    """The session of a browser, with its CSRF token. Who has no session is told to sign in, not that a token is missing."""

    def __call__(self, request: HttpRequest) -> Any:
        """The person, or None."""
        return super().__call__(request) if request.user.is_authenticated else None


def caller_of_socket(headers: Mapping[bytes, bytes]) -> Caller | None:
    """Whoever opens a socket with these headers; None if that is nobody. A key counts before a cookie."""
    given = headers.get(b"authorization", b"").decode("latin1")
    if given.lower().startswith(BEARER):
        found = ApiKey.objects.person(given[len(BEARER) :])
        return Caller(found[1], api_key=found[0].pk) if found else None
    key = parse_cookie(headers.get(b"cookie", b"").decode("latin1")).get(settings.SESSION_COOKIE_NAME, "")
    if not key.isalnum():  # Django makes no others, and not every one can be asked for
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(request)
    return Caller(user, session_key=key) if isinstance(user, User) else None
