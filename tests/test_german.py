"""The site speaks German: the catalogs are whole and fit the code, and pages and the API use them."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from gettext import GNUTranslations
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as configured
from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation
from django.utils.text import capfirst

from agentsite.django_words import LABELS
from agentsite.names import APPS, NAMES, OTHERWISE, OURS, SEVERAL
from billing.budgets import BudgetExceeded, State
from billing.documents import invoice_pdf
from billing.models import Budget, CreditUse, Invoice, Scope
from billing.notes import take_off
from billing.periods import Month
from billing.templatetags.money import count, money
from tests.admin_rows import row
from tests.test_credit_notes import bill, numbered
from threads.models import Memory, Thread, User
from threads.permissions import named

ClientOf = Callable[[User], Client]
CATALOGS = configured.BASE_DIR / "locale" / "de" / "LC_MESSAGES"
DOMAINS = [path.stem for path in sorted(CATALOGS.glob("*.po"))]
# Where each catalog's words stand.
SOURCES = {"django": ["agents", "agentsite", "billing", "templates", "threads"], "djangojs": ["static/js"]}
PLACE = re.compile(r"%\(\w+\)[a-z]")
LINE = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) (".*")|(".*")')


@dataclass
class Entry:
    """One of a catalog, by the names of its lines."""

    texts: dict[str, str]
    flags: str

    @property
    def key(self) -> str:
        context = self.texts.get("msgctxt")
        return self.texts["msgid"] if context is None else f"{context}\x04{self.texts['msgid']}"

    @property
    def translations(self) -> list[str]:
        return [text for name, text in self.texts.items() if name.startswith("msgstr")]


def entries(path: Path) -> list[Entry]:
    """Of a .po file, but for its head."""
    found = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        texts: dict[str, str] = {}
        name = ""
        for match in filter(None, map(LINE.fullmatch, block.splitlines())):
            name = match[1] or name
            texts[name] = texts.get(name, "") + ast.literal_eval(match[2] or match[3])
        if texts.get("msgid"):
            found.append(Entry(texts, "".join(line for line in block.splitlines() if line.startswith("#,"))))
    return found


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """What a request speaks is the thread's language until the next one."""
    with translation.override(translation.get_language()):
        yield


def in_(language: str) -> Any:
    return {"headers": {"accept-language": language}}


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_word_is_translated(domain: str) -> None:
    path = CATALOGS / f"{domain}.po"
    assert "#~" not in path.read_text(encoding="utf-8"), "There are words of which nothing has been left."
    found = entries(path)
    assert found
    for entry in found:
        assert all(entry.translations) and "fuzzy" not in entry.flags, entry.key
        assert len(entry.translations) == (2 if "msgid_plural" in entry.texts else 1), entry.key


@pytest.mark.parametrize("domain", DOMAINS)
def test_translations_have_the_same_places(domain: str) -> None:
    for entry in entries(CATALOGS / f"{domain}.po"):
        one, many = (set(PLACE.findall(entry.texts.get(name, ""))) for name in ("msgid", "msgid_plural"))
        found = [set(PLACE.findall(text)) for text in entry.translations]
        assert found[-1] == (many or one), entry.key
        assert found[0] <= one | many, entry.key  # Of one thing the number need not be said.


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_was_compiled_is_what_was_written(domain: str) -> None:
    with (CATALOGS / f"{domain}.mo").open("rb") as file:
        compiled = GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    written: dict[Any, str] = {}
    for entry in entries(CATALOGS / f"{domain}.po"):
        plural = "msgid_plural" in entry.texts
        written |= {(entry.key, n) if plural else entry.key: text for n, text in enumerate(entry.translations)}
    assert {key: text for key, text in compiled.items() if key != ""} == written


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="xgettext of GNU gettext is not installed")
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_catalogs_fit_the_code(domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    for place in SOURCES[domain]:
        shutil.copytree(configured.BASE_DIR / place, tmp_path / place, ignore=shutil.ignore_patterns("__pycache__", "locale"))
    (tmp_path / "locale").mkdir()
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    monkeypatch.chdir(tmp_path)
    call_command("makemessages", locale=["de"], domain=domain, no_location=True, no_wrap=True, verbosity=0)
    found = {entry.key for entry in entries(tmp_path / "locale" / "de" / "LC_MESSAGES" / f"{domain}.po")}
    known = {entry.key for entry in entries(CATALOGS / f"{domain}.po")}
    assert found - known == set(), "Run makemessages, translate these, and run compilemessages."
    assert known - found == set(), "Nobody says these any more."


# What these raise is told to models or to the caller, in the tool's own words; the scripted model is for tests.
OTHERS_WORDS = {"delegation.py", "describing.py", "fetching.py", "memory.py", "tool_context.py", "scripted.py"}
RAISED = {"ProviderError", "ToolError", "ContextOverflow", "InvalidAnswer", "AgentError"}


def sentence(node: ast.AST) -> str:
    """A text in the code, with a ~ for each value; empty of anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "~" for each in node.values)
    return PLACE.sub("~", node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def nodes(*places: str) -> Iterator[tuple[str, ast.AST]]:
    """All of the code below these, each with its file's name."""
    for path in (path for place in places for path in sorted((configured.BASE_DIR / place).rglob("*.py"))):
        yield from ((path.name, node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def test_pages_know_the_errors_that_rows_keep() -> None:
    """They are kept in English and translated by the page, which has to have the very sentences."""
    script = (configured.BASE_DIR / "static/js/server_words.js").read_text(encoding="utf-8")
    known = {PLACE.sub("~", text) for text in re.findall(r'gettext_noop\("([^"]+)"\)', script)}
    calls = [node for file, node in nodes("agents") if isinstance(node, ast.Call) and file not in OTHERS_WORDS]
    raised = [call for call in calls if getattr(call.func, "id", "") in RAISED]
    stored = {text for call in raised for each in call.args[:2] if " " in (text := sentence(each))}
    assert len(stored) > 20
    assert stored - known == set(), "Pages cannot translate these."
    said = {sentence(node) for _, node in nodes("agents", "billing", "threads")}
    # The page needs its amounts one by one.
    assert known - said == {"Your budget for this month is used up (~ of ~ ~). The next one begins on ~."}


@pytest.mark.parametrize("path, english, german", [
    ("/accounts/sign-in/", "Sign in", "Anmelden"),
    ("/accounts/sign-up/", "Create an account", "Konto anlegen"),
    ("/threads/new/", "Who should answer?", "Wer soll antworten?"),
    ("/usage/", "Nothing was used in this month.", "In diesem Monat wurde nichts verbraucht."),
    ("/invoices/", "There are none yet.", "Es gibt noch keine."),
    ("/memories/", "What is remembered", "Was Agenten sich merken"),
    ("/nowhere/", "Not found", "Nicht gefunden"),
])  # fmt: skip
def test_pages_speak_the_readers_language(path: str, english: str, german: str, alice: User, client_of: ClientOf) -> None:
    client = Client() if path.startswith("/accounts/") else client_of(alice)
    for language, said, unsaid in (("de-AT,de;q=0.9", german, english), ("en", english, german), ("fr", english, german)):
        page = client.get(path, **in_(language)).content.decode()
        assert f'<html lang="{language[:2] if language != "fr" else "en"}"' in page
        assert said in page and unsaid not in page, (language, said)


def test_numbers_in_attributes_stay_numbers(alice: User, client_of: ClientOf, settings: Any) -> None:
    settings.RATE_LIMITS = True
    Budget.objects.create(kind="user", key=str(alice.pk), amount=Decimal("1234.5"))
    page = client_of(alice).get("/usage/", **in_("de")).content.decode()
    numbers = [number for meter in re.findall(r"<meter [^>]*>", page) for number in re.findall(r' (?:max|high|value)="([^"]*)"', meter)]
    assert len(numbers) > 4
    assert all(float(number) >= 0 for number in numbers)
    assert "1.234,50\u00a0$" in page


def test_errors_of_the_api_speak_the_callers_language(alice: User, thread: Thread, client_of: ClientOf) -> None:
    client = client_of(alice)

    def said(path: str, body: dict[str, Any], language: str) -> str:
        answer = client.post(path, body, content_type="application/json", **in_(language))
        assert answer.status_code in (400, 404), answer.content
        return str(answer.json()["error"]["message"])

    long = {"title": "x" * 201}
    assert said("/api/threads", long, "de") == "Der Text darf höchstens 200 Zeichen haben"
    assert said("/api/threads", long, "en") == "String should have at most 200 characters"
    members = f"/api/threads/{thread.pk}/members"
    assert said(members, {"username": "unknown"}, "de") == "Es gibt niemanden mit diesem Namen."
    assert said(members, {"username": "unknown"}, "en") == "There is nobody of this name."
    assert said("/api/nowhere", {}, "de") == "Das gibt es hier nicht."


def test_the_language_can_be_chosen() -> None:
    client = Client()
    answer = client.post("/language/", {"language": "de", "next": "/accounts/sign-in/"}, **in_("en"))
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/sign-in/")
    assert '<html lang="de"' in client.get("/accounts/sign-in/", **in_("en")).content.decode()
    client.post("/language/", {"language": "en", "next": "/accounts/sign-in/"})
    assert '<html lang="en"' in client.get("/accounts/sign-in/", **in_("de")).content.decode()


def test_who_chose_a_language_has_it_everywhere(alice: User, client_of: ClientOf) -> None:
    client_of(alice).post("/language/", {"language": "de", "next": "/"})
    elsewhere = client_of(alice).get("/usage/", **in_("en"))
    assert '<html lang="de"' in elsewhere.content.decode() and elsewhere["Content-Language"] == "de"
    assert '<html lang="en"' in Client().get("/accounts/sign-in/", **in_("en")).content.decode(), "nobody else has"
    client_of(alice).post("/language/", {"language": "xx", "next": "/"})
    assert User.objects.get(pk=alice.pk).language == "de"
    answer = client_of(alice).post("/language/", {"language": "", "next": "/"})
    assert User.objects.get(pk=alice.pk).language == "" and answer.cookies["django_language"].value == "", "as any browser asks for"


def test_days_are_those_of_ones_time_zone(alice: User, client_of: ClientOf) -> None:
    memory = Memory.objects.create(user=alice, text="I have two cats.")
    Memory.objects.filter(pk=memory.pk).update(created_at=datetime(2026, 5, 5, 23, 30, tzinfo=UTC))
    client = client_of(alice)
    for zone, day in (("", "5 May 2026"), ("Europe/Berlin", "6 May 2026"), ("../Mars", "5 May 2026")):
        client.cookies["time_zone"] = zone
        assert day in client.get("/memories/", **in_("en")).content.decode(), zone
    User.objects.filter(pk=alice.pk).update(time_zone="Europe/Berlin")
    assert "6 May 2026" in client_of(alice).get("/memories/", **in_("en")).content.decode()
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    for page in ("/threads/new/", "/admin/playground/"):
        assert 'data-time-zone="Europe/Berlin"' in client_of(alice).get(page).content.decode(), page


def test_a_database_that_is_away_is_told_as_ever(alice: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(alice)

    def away(*_: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(SessionStore, "load", away)
    answer = client.post("/api/threads", {}, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"], answer.json()["error"]["kind"]) == (503, "2", "unavailable")
    assert client.get("/healthz").status_code == 200


def test_an_invoice_has_one_date(alice: User, client_of: ClientOf) -> None:
    made = bill(alice, 1200)
    assert made.final_at
    zone = "Pacific/Kiritimati" if made.final_at.hour >= 10 else "Pacific/Niue"  # where it is another day now
    User.objects.filter(pk=alice.pk).update(time_zone=zone)
    assert f"{made.final_at:%-d %B %Y}" in client_of(alice).get(f"/invoices/{made.pk}/", **in_("en")).content.decode()


def test_amounts_and_months_in_words() -> None:
    month = Month.named("2026-11")
    state = State(Budget(kind="user", amount=Decimal("1000")), Scope.USER, month, "UTC", "USD", Decimal("999.5"), Decimal(0))
    assert str(BudgetExceeded(state)) == (
        "Your budget for this month is used up (999.50 of 1000.00 USD). The next one begins on December 1."
    )
    with translation.override("de"):
        assert "(999,50 von 1000,00 USD). Das nächste beginnt am 1. Dezember." in str(BudgetExceeded(state))
        assert money("-1234.5", "USD") == "-1.234,50\u00a0$" and money("0.004", "EUR") == "0,4 ct" and count(1204) == "1.204"


def test_the_page_of_an_invoice_is_german_and_its_file_the_same_for_everybody(alice: User, client_of: ClientOf) -> None:
    made = bill(alice, 1200)
    page = client_of(alice).get(f"/invoices/{made.pk}/", **in_("de")).content.decode()
    for expected in ("<h1>Rechnung INV-000001</h1>", "Zu zahlen", "Summe", "1.200,00\u00a0$"):
        assert expected in page, page
    with translation.override("de"):
        german = invoice_pdf(made)
    assert german == invoice_pdf(made)


# --- The admin ---------------------------------------------------------------------------------------------------------


def test_the_list_of_names_is_that_of_the_models() -> None:
    models = [model for label in OURS for model in apps.get_app_config(label).get_models(include_auto_created=True)]
    fields = [field for model in models for field in model._meta.get_fields() if field.concrete and not field.auto_created]
    with translation.override("en"):
        found = {str(name) for model in models if model is not User for name in (model._meta.verbose_name, model._meta.verbose_name_plural)}
        found |= {str(field.verbose_name) for field in fields if not field.model._meta.auto_created and field not in DJANGOS}
        assert found - set(NAMES) == set() and set(NAMES) - found == set()
        assert {str(apps.get_app_config(label).verbose_name) for label in OURS} == set(APPS)
        assert sorted(NAMES, key=str.lower) == list(NAMES), "in order, so that one finds them"
    with translation.override("de"):
        used = {str(text) for model in models for text in (model._meta.verbose_name, model._meta.verbose_name_plural)}
        used |= {str(field.verbose_name) for field in fields}
        assert {str(text) for text in (*SEVERAL.values(), *OTHERWISE.values())} <= used


# What a user is made of by Django.
DJANGOS = [field for field in User._meta.get_fields() if field.name not in ("id", "language", "time_zone", "preferences")]
# English words that stand there as data, or are German, too.
DATA = {"Assistant", "Start", "answer", "read"}


class Texts(HTMLParser):
    """What a page says: its texts, each whole, and those of attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")
        told = dict(attrs)
        spoken = [*("title", "placeholder", "aria-label"), *(["value"] if told.get("type") == "submit" else [])]
        self.found |= {value for name in spoken if (value := told.get(name))}

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.found.add(" ".join(data.split()).rstrip(":").removeprefix("› "))


def english() -> set[str]:
    """What is said otherwise in German, as labels and headings have it."""
    found = [entry.texts for entry in entries(CATALOGS / "django.po")]
    other = {entry["msgid"] for entry in found if entry.get("msgstr") not in (None, entry["msgid"])}
    german = {form(text) for entry in found for text in [entry.get("msgstr", "")] for form in (str, capfirst)}
    return {form(text) for text in other for form in (str, capfirst)} - german - DATA


def test_every_page_of_the_admin_is_german(alice: User, thread: Thread, client_of: ClientOf) -> None:
    take_off(numbered(bill(alice, 1200)), Decimal(1), "x")
    row(CreditUse)
    operator = User.objects.create_superuser("admin")
    client, request = client_of(operator), RequestFactory().get("/")
    request.user = operator
    addresses = ["/admin/", reverse("admin:billing_money")]
    for model, pages in site._registry.items():
        address = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses += [reverse(f"{address}_changelist"), reverse(f"{address}_change", args=[quote(row(model).pk)])]
        addresses += [reverse(f"{address}_add")] if pages.has_add_permission(request) else []
        addresses += [reverse(f"{address}_delete", args=[quote(row(model).pk)])] if pages.has_delete_permission(request) else []
    said = english()
    assert {"Created at", "thread", "Whose months count.", "Awaiting Approval", "Make drafts final"} <= said
    for address in addresses:
        answer = client.get(address, **in_("de"))
        page = answer.content.decode()
        assert answer.status_code == 200 and '<html lang="de"' in page, address
        assert Texts(page).found & said == set(), address


def test_the_history_of_rows_is_german(alice: User, thread: Thread, client_of: ClientOf) -> None:
    operator = User.objects.create_superuser("admin")
    client, request = client_of(operator), RequestFactory().get("/")
    request.user = operator
    labels: set[str] = set()
    with translation.override("en"):
        for model, pages in site._registry.items():
            if pages.has_change_permission(request, model()):
                inlines = pages.get_inline_instances(request, model())
                for form in (pages.get_form(request, model()), *(each.get_formset(request, model()).form for each in inlines)):
                    labels |= {str(field.label) for field in form.base_fields.values()}
    assert labels == set(LABELS)
    memory = Memory.objects.create(user=alice, text="I have two cats.")
    client.post(f"/admin/threads/memory/{memory.pk}/change/", {"user": str(alice.pk), "text": "Now three."}, **in_("en"))
    page = client.get(f"/admin/threads/memory/{memory.pk}/history/", **in_("de")).content.decode()
    assert "Text geändert." in Texts(page).found, page


def test_permissions_are_called_as_django_does_and_in_german(alice: User, client_of: ClientOf) -> None:
    every = list(Permission.objects.select_related("content_type"))
    with translation.override("en"):
        assert [named(permission) for permission in every] == [permission.name for permission in every]
    client = client_of(User.objects.create_superuser("admin"))
    for address in (f"/admin/threads/user/{alice.pk}/change/", "/admin/auth/group/add/"):
        found = Texts(client.get(address, **in_("de")).content.decode()).found
        assert {
            "Unterhaltungen | Lauf | Lauf ansehen",
            "Unterhaltungen | Unterhaltung | Jede Unterhaltung lesen und darin antworten",
        } <= found
        assert not [text for text in found if " | Can " in text]


@pytest.mark.parametrize("page, filled, complaint", [
    ("budget", {"kind": "site", "key": "x", "amount": "1"}, "Ein Budget der Website hat keinen Schlüssel; jedes andere sagt, wessen es ist."),
    ("taxrate", {"region": "r", "percent": "1", "valid_0": "2026-02-01", "valid_1": "2026-02-01"}, "Das Ende liegt vor dem Anfang."),
    ("plan", {"name": "p", "currency": "usd", "markup": "0"}, "Drei Großbuchstaben, etwa USD."),
    ("limit", {"name": "l", "kind": "window", "per": "user", "rate": "1", "period": "1", "capacity": "1", "shards": "2"},
     "Jeder Teilzähler muss mindestens eins fassen: Erhöhen Sie den Höchststand oder nehmen Sie weniger Teilzähler."),
])  # fmt: skip
def test_forms_of_the_admin_complain_in_german(page: str, filled: dict[str, str], complaint: str, alice: User, client_of: ClientOf) -> None:
    client = client_of(User.objects.create_superuser("admin"))
    answer = client.post(f"/admin/billing/{page}/add/", filled, **in_("de"))
    assert complaint in Texts(answer.content.decode()).found, answer.content.decode()


def test_actions_of_the_admin_tell_in_german_what_they_did(alice: User, client_of: ClientOf) -> None:
    made, client = bill(alice, 1200), client_of(User.objects.create_superuser("admin"))

    def told(action: str) -> set[str]:
        chosen = {"action": action, "_selected_action": [str(made.pk)]}
        return Texts(client.post("/admin/billing/invoice/", chosen, follow=True, **in_("de")).content.decode()).found

    assert "Neuer Status „Bezahlt“: 1." in told("mark_paid")
    assert Invoice.objects.get().status == "paid"
    assert "Rechnung INV-000001 hat den Status „Bezahlt“ und kann nicht zu „Storniert“ wechseln." in told("void")
