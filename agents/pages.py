"""The pages of the chat: a thread, and the start of a new one."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from agents import playground_api
from agents.api import agents as agent_rows
from agents.attachments import file_of
from threads.access import WHY, is_operator, is_tester, thread_for
from threads.inbox import waiting_rows
from threads.lists import listing
from threads.models import File, Thread, User
from threads.rows import person
from threads.sync import snapshot
from threads.uploads import served


def _page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]  # behind login_required
    common = {
        "me": {"id": str(user.pk), "name": user.name},
        "agents": agent_rows(request),
        "limits": {"prompt": settings.MAX_PROMPT_CHARS, "files": settings.MAX_FILES, "file_bytes": settings.MAX_FILE_BYTES},
        "smooth": settings.SMOOTH_CHARS,
        "file_size": f"{settings.MAX_FILE_BYTES // 1_000_000} MB",
        "operates": is_operator(user),
        "inbox": None,
    }
    if "inbox" not in context:
        common["listing"] = listing(user)
    response = render(request, template, common | context)
    # The page carries what was said: neither a proxy nor the browser's disk should keep it.
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """How browsers install the site as an app (W3C Web Application Manifest)."""
    del request
    pictures = [{"src": static(f"icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"} for size in (192, 512)]
    about = {"name": "agentsite", "short_name": "agentsite", "start_url": "/", "scope": "/", "display": "standalone"}
    colours = {"background_color": "#fcfcfb", "theme_color": "#fcfcfb"}
    icons = [{"src": static("icon.svg"), "sizes": "any", "type": "image/svg+xml"}, *pictures]
    return JsonResponse(about | colours | {"icons": icons}, content_type="application/manifest+json")


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """On to the newest thread, in the version in which something was said last, or to the start of the first one."""
    newest = Thread.objects.visible_to(request.user).listed().first()  # type: ignore[arg-type]
    if newest is None:
        return redirect("new-thread")
    return redirect("thread", newest.lines.order_by("-last_activity", "kind").values_list("pk", flat=True)[0])


@login_required
def new_thread(request: HttpRequest) -> HttpResponse:
    """Choose an agent and ask; `?agent=` preselects one."""
    return _page(request, "chat/new_thread.html", chosen=request.GET.get("agent", ""))


@login_required
def thread(request: HttpRequest, thread_id: UUID) -> HttpResponse:
    """One thread with its newest page of messages; the socket brings what is newer."""
    found = thread_for(request.user, thread_id)  # type: ignore[arg-type]  # behind login_required
    temporary = found.head.kind == Thread.Kind.TEMPORARY and found.owner_id == request.user.pk
    return _page(request, "chat/thread.html", thread=found, snapshot=snapshot(found.pk), temporary=temporary)


@require_safe
def public_file(request: HttpRequest, token: str) -> HttpResponse:
    """A file for a model's server, that was told this address. It leads somewhere for an hour, and only where the site has a public one."""
    file_id = file_of(token) if settings.PUBLIC_URL else None
    file = File.objects.select_related("blob").filter(pk=file_id).first() if file_id else None
    if file is None:
        raise Http404("There is no such file.")
    return served(request, file)


def playground(request: HttpRequest, thread_id: UUID | None = None) -> HttpResponse:
    """For staff with the permission: what happened in a conversation and why, and other ways to answer. Inside the admin's door."""
    user: User = request.user  # type: ignore[assignment]  # behind admin_view
    if not is_tester(user):
        raise PermissionDenied(WHY["test"])
    found = thread_for(user, thread_id, "test") if thread_id else None
    owner = found.owner if found else None
    context = {
        "me": person(user),
        "user": person(owner) or ({"id": playground_api.NOBODY, "name": gettext("nobody")} if found else None),
        "owner": owner,
        "thread": found,
        "snapshot": snapshot(found.pk) if found else None,
        "agents": playground_api.agent_rows(owner, found),
        "smooth": settings.SMOOTH_CHARS,
        "base": f"{reverse('playground')}threads/",
    }
    response = render(request, "playground.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


@login_required
def inbox(request: HttpRequest, thread_id: UUID | None = None) -> HttpResponse:
    """For operators: what waits for one, beside it a thread."""
    if not is_operator(request.user):  # type: ignore[arg-type]  # behind login_required
        raise PermissionDenied("Only operators have an inbox.")
    cases = waiting_rows()
    if thread_id is None:
        return _page(request, "chat/inbox.html", inbox=cases)
    found = thread_for(request.user, thread_id, "operate")  # type: ignore[arg-type]
    return _page(request, "chat/thread.html", thread=found, snapshot=snapshot(found.pk), inbox=cases)
