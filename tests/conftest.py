"""The cast, the fake model at the edge, and two ways to run the rest for real: in this process, and as a whole site."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import setup_databases, teardown_databases

from agents import services, tasks
from agents.agent import Agent
from agentsite.agents import AGENTS
from tests.fake_openai import FakeOpenAI
from tests.site import Person, Site, running_site
from threads.models import Message, Run, Thread, User


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture(autouse=True)
def fake(fake_server: FakeOpenAI, settings: Any, tmp_path: Path) -> FakeOpenAI:
    """The model's server; the only fake in the house."""
    fake_server.reset()
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL, settings.MODEL = "sk-test-secret", fake_server.url, "fake"
    settings.DEMO_TOKENS_PER_SECOND = 5000
    settings.RATE_LIMITS = False  # tests ask faster than people
    settings.MEDIA_ROOT = str(tmp_path / "files")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a good one takes half a second a person
    return fake_server


# In place of pytest-django's `transactional_db`, whose flush truncates every table and makes all permissions anew: half a second a
# test. As a replica, so that foreign keys and the triggers of records that nobody may delete are not asked.
EMPTY = """
DO $$ DECLARE name text; used boolean; BEGIN
SET LOCAL session_replication_role = replica;
FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema
    AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO used;
    IF used THEN EXECUTE format('DELETE FROM %I', name); END IF;
END LOOP;
END $$
"""


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, migrated once. In place of pytest-django's, which makes none unless it sees its own marks."""
    with django_db_blocker.unblock():
        configured = setup_databases(verbosity=0, interactive=False)
    yield
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:  # Threads of tools that hang may still hold one.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        teardown_databases(configured, verbosity=0)


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Real transactions: locks, on_commit and other threads' connections count here. Empty again afterwards."""
    with django_db_blocker.unblock():
        yield
        if tasks.process.cache_info().currsize:
            tasks.process().stop()
            tasks.process.cache_clear()
        with connection.cursor() as cursor:
            cursor.execute(EMPTY)
        connections.close_all()


@pytest.fixture
def alice(database: None) -> User:
    return User.objects.create_user("alice", password="secret")


@pytest.fixture
def bob(database: None) -> User:
    return User.objects.create_user("bob", password="secret")


@pytest.fixture
def mallory(database: None) -> User:
    return User.objects.create_user("mallory", password="secret")


@pytest.fixture
def thread(alice: User) -> Thread:
    return Thread.start(alice, title="Trip", default_agent="plain")


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Agent]:
    """The site's agents, and a plain one that asks the fake server; tests may add more."""
    agents = {"plain": Agent("plain")} | {agent.name: agent for agent in AGENTS}
    monkeypatch.setattr("agents.registry._by_name", lambda: agents)
    return agents


@pytest.fixture
def ask(alice: User, thread: Thread) -> Callable[..., tuple[Message, Run]]:
    """Send a prompt and answer it in this process, with the real machinery of a worker."""

    def asked(text: str, *, answer: bool = True, **options: Any) -> tuple[Message, Run]:
        message, run = services.send(alice, thread, text, **options)
        if answer:
            tasks.answer(str(thread.pk))
            run.refresh_from_db()
        return message, run

    return asked


@pytest.fixture(scope="session")
def site(fake_server: FakeOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole site as real processes on a database of its own."""
    with running_site(tmp_path_factory.mktemp("site"), fake_server.url) as site:
        yield site


@pytest.fixture
def alice_there(site: Site) -> Person:
    return site.person("alice")
