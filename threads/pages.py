"""Signing in, signing up and signing out; what is remembered of a person."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, UserCreationForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_POST
from django.views.generic import CreateView
from django.views.i18n import set_language

from threads import broadcast
from threads.models import Memory, User


class SignUpForm(UserCreationForm):
    """A name and a password, twice."""

    class Meta:
        model = User
        fields = ("username",)


class SignIn(auth_views.LoginView):
    """Asks for name and password, then goes on to the page that was wanted."""

    template_name = "accounts/sign_in.html"
    authentication_form = AuthenticationForm
    redirect_authenticated_user = True


class SignUp(CreateView):
    """Makes an account and signs its owner in."""

    template_name = "accounts/sign_up.html"
    form_class = SignUpForm
    success_url = reverse_lazy("home")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Somebody who is signed in has no business here."""
        if request.user.is_authenticated:
            return redirect("home")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        """Save the person, then sign them in."""
        response = super().form_valid(form)
        login(self.request, form.instance)
        return response


class SignOut(auth_views.LogoutView):
    """By POST only, so that no foreign link can do it. What the person has open in other tabs closes."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign out, then tell their sockets to look again."""
        person = request.user.pk
        response = super().post(request, *args, **kwargs)
        if person:
            broadcast.recheck([person])
        return response


@login_required
def memories(request: HttpRequest) -> HttpResponse:
    """What agents remember of the person; a POST forgets one of them."""
    mine = Memory.objects.filter(user=request.user).order_by("-pk")  # type: ignore[misc]  # behind login_required
    if request.method == "POST":
        pk = request.POST.get("forget", "")
        mine.filter(pk=int(pk) if pk.isdecimal() and len(pk) < 19 else 0).delete()
        return redirect("memories")
    return render(request, "accounts/memories.html", {"memories": mine})


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Have pages in `language` from now on, wherever one signs in; empty: as the browser asks for. Goes on to `next`."""
    answer = set_language(request)
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in ("", *dict(settings.LANGUAGES)):
        User.objects.filter(pk=request.user.pk).update(language=language)
        # Whoever signs in here next has chosen nothing.
        answer.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return answer
