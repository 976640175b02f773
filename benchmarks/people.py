"""Makes signed-in people: `python -m benchmarks.people 3` prints a JSON list of their names and request headers."""

import json
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentsite.settings")
django.setup()

from django.conf import settings  # noqa: E402  (apps have to be loaded first)
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.utils.crypto import get_random_string  # noqa: E402


def person(name: str) -> dict[str, Any]:
    """A new person's name, and headers with their session and CSRF token."""
    user = get_user_model().objects.create_user(name)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    token = get_random_string(32)
    cookies = f"{settings.SESSION_COOKIE_NAME}={session.session_key}; {settings.CSRF_COOKIE_NAME}={token}"
    return {"name": name, "headers": {"Cookie": cookies, "X-CSRFToken": token}}


if __name__ == "__main__":
    print(json.dumps([person(f"bench-{get_random_string(8)}") for _ in range(int(sys.argv[1]))]))
