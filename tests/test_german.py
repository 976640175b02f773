"""The site speaks German: the catalogs are whole and fit the code, and pages and the API use them."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from gettext import GNUTranslations
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.management import call_command
from django.test import Client
from django.utils import translation

from billing.budgets import BudgetExceeded, State
from billing.documents import invoice_pdf
from billing.models import Budget, Scope
from billing.periods import Month
from billing.templatetags.money import count, money
from tests.test_credit_notes import bill
from threads.models import Memory, Thread, User

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


def test_pages_know_the_errors_that_rows_keep() -> None:
    """They are kept in English and translated by the page, which has to have the very sentences."""
    said = " ".join(
        path.read_text(encoding="utf-8") for place in ("agents", "billing", "threads") for path in sorted(Path(place).rglob("*.py"))
    )
    said = re.sub(r'"\s*f?"', "", said)  # a sentence of several pieces
    script = (configured.BASE_DIR / "static/js/server_words.js").read_text(encoding="utf-8")
    known = re.findall(r'gettext_noop\("([^"]+)"\)', script)
    assert len(known) > 30
    for sentence in known:
        for part in PLACE.split(sentence):
            assert part in said, sentence


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


def test_days_are_those_of_ones_time_zone(alice: User, client_of: ClientOf) -> None:
    memory = Memory.objects.create(user=alice, text="I have two cats.")
    Memory.objects.filter(pk=memory.pk).update(created_at=datetime(2026, 5, 5, 23, 30, tzinfo=UTC))
    client = client_of(alice)
    for zone, day in (("", "5 May 2026"), ("Europe/Berlin", "6 May 2026"), ("../Mars", "5 May 2026")):
        client.cookies["time_zone"] = zone
        assert day in client.get("/memories/", **in_("en")).content.decode(), zone
    User.objects.filter(pk=alice.pk).update(time_zone="Europe/Berlin")
    assert "6 May 2026" in client_of(alice).get("/memories/", **in_("en")).content.decode()


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
