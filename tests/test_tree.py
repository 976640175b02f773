"""What stands nowhere in our own files: text that is run as code, data that is, shells, HTML made of strings, and other ways out.

Each exception is listed with its reason, and fails too when it is no longer needed.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON = [
    ROOT / "manage.py",
    *(each for name in ("agents", "agentsite", "billing", "threads", "benchmarks", "tests") for each in (ROOT / name).rglob("*.py")),
]
SCRIPTS = list((ROOT / "static" / "js").rglob("*.js"))

BUILTINS = {"eval", "exec", "compile", "__import__"}
CODE = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "yaml.load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "runpy",
}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"}
CLIENTS = {
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "aiohttp",
    "requests",
    "urllib3",
    "urllib.request",
    "http.client",
    "pycurl",
    "ftplib",
}
FORBIDDEN = CODE | SHELLS | CLIENTS | {f"builtins.{name}" for name in BUILTINS}

ALLOWED = {
    ("tests/test_docs.py", "exec"): "runs the code blocks of our own documentation",
    ("tests/test_docs.py", "compile"): "so that their errors have the page and the line",
    ("agents/fetching.py", "httpcore2"): "the one way out to what a person or a model chose",
    ("agents/fetching.py", "httpx2"): "its URLs",
    ("agents/providers/openai.py", "httpx2"): "timeouts and errors of the SDK's connection to the model's server, which the operator chose",
    ("agentsite/local.py", "http.client"): "asks the web process on this machine whether it answers",
    ("billing/payments.py", "httpx2"): "the provider of payments, which the operator chose",
    ("tests/site.py", "httpx2"): "the browser of the tests",
    ("tests/test_api_keys.py", "httpx2"): "a program with a key",
    ("tests/chaos/people.py", "aiohttp"): "the people of the experiments",
    ("tests/fake_openai/server.py", "aiohttp"): "a server",
    ("benchmarks/stream.py", "urllib.request"): "asks the fake model's server what it has seen",
    ("benchmarks/relay.py", "aiohttp"): "what a plain relay would cost, to compare with",
    ("benchmarks/load.py", "aiohttp"): "the watchers",
    ("benchmarks/growth.py", "aiohttp"): "the watcher",
    ("benchmarks/idle_sockets.py", "aiohttp"): "the watchers",
}

HTML = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|parseHTMLUnsafe|createContextualFragment|srcdoc|document\.write(?:ln)?"
    r"|eval(?=\s*\()|Function(?=\s*\()|set(?:Timeout|Interval)(?=\s*\(\s*[\"'`]))"
)
# (file, what): how often, and why.
ALLOWED_HTML: dict[tuple[str, str], tuple[int, str]] = {}


def python_findings(source: str) -> set[str]:
    """What stands in it that must not."""
    nodes = list(ast.walk(ast.parse(source)))
    modules = dict(each for node in nodes if isinstance(node, ast.Import) for each in _bound(node))
    return {found for node in nodes for name in _named(node, modules) for found in _forbidden(name)}


def _bound(node: ast.Import) -> Iterator[tuple[str, str]]:
    """Which name in the file means which module."""
    for each in node.names:
        root = each.name.partition(".")[0]
        yield (each.asname, each.name) if each.asname else (root, root)


def _named(node: ast.AST, modules: dict[str, str]) -> Iterator[str]:
    """Dotted names that a piece of code means."""
    match node:
        case ast.Import(names=names):
            yield from (each.name for each in names)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            yield from (f"{module}.{each.name}" for each in names)
        case ast.Attribute(value=value, attr=attr):
            yield from (f"{name}.{attr}" for name in _named(value, modules))
        case ast.Name(id=name):
            yield f"builtins.{name}" if name in BUILTINS else modules.get(name, "")
        case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"), args=[ast.Constant(value=str(name)), *_]):
            yield name
        case ast.keyword(arg="shell", value=value) if not (isinstance(value, ast.Constant) and value.value is False):
            yield "shell=True"


def _forbidden(name: str) -> Iterator[str]:
    for each in (*FORBIDDEN, "shell=True"):
        if name == each or name.startswith(f"{each}."):
            yield each.removeprefix("builtins.")


def script_findings(source: str) -> Counter[str]:
    """What stands in a script that makes HTML or code of a string, and how often."""
    return Counter(HTML.findall(source))


def _path(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_python_files_run_no_text_and_have_one_way_out() -> None:
    found = {(_path(path), what) for path in PYTHON for what in python_findings(path.read_text())}
    assert len(PYTHON) > 100
    assert found - set(ALLOWED) == set(), "not allowed; tools fetch with agents.fetching"
    assert set(ALLOWED) - found == set(), "no longer needed"


def test_scripts_make_no_html_of_strings() -> None:
    found = {(_path(path), what): count for path in SCRIPTS for what, count in script_findings(path.read_text()).items()}
    assert len(SCRIPTS) > 20
    assert found == {key: count for key, (count, _) in ALLOWED_HTML.items()}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("eval('1')", "eval"),
        ("run = exec", "exec"),
        ("compile(text, '', 'exec')", "compile"),
        ("import builtins\nbuiltins.eval(text)", "eval"),
        ("__import__('os')", "__import__"),
        ("import pickle", "pickle"),
        ("def f():\n    from pickle import loads as read", "pickle"),
        ("import marshal as m", "marshal"),
        ("import shelve, json", "shelve"),
        ("import dill", "dill"),
        ("importlib.import_module('pickle')", "pickle"),
        ("import yaml\nyaml.load(text)", "yaml.load"),
        ("import yaml as y\ny.load(text, y.Loader)", "yaml.load"),
        ("from yaml import load", "yaml.load"),
        ("subprocess.run(command, shell=True)", "shell=True"),
        ("subprocess.run(command, shell=wanted)", "shell=True"),
        ("import os\nos.system('ls')", "os.system"),
        ("import os as o\no.popen('ls')", "os.popen"),
        ("from os import system", "os.system"),
        ("import asyncio\nasyncio.create_subprocess_shell('ls')", "asyncio.create_subprocess_shell"),
        ("import requests", "requests"),
        ("import httpx2 as web", "httpx2"),
        ("from httpcore import ConnectionPool", "httpcore"),
        ("import aiohttp.client", "aiohttp"),
        ("from urllib.request import urlopen", "urllib.request"),
        ("from urllib import request", "urllib.request"),
        ("import http.client", "http.client"),
        ("from http import client as c", "http.client"),
        ("import urllib\nurllib.request.urlopen(url)", "urllib.request"),
    ],
)
def test_what_is_planted_in_python_is_found(source: str, found: str) -> None:
    assert python_findings(source) == {found}


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('a')",
        "model.requests.append(1)",
        "requests = []\nrequests.append(1)",
        "subprocess.run(command, shell=False)",
        "import yaml\nyaml.safe_load(text)",
        "from urllib.parse import urlsplit",
        "from http import HTTPStatus",
        "page.evaluate('1')",
        "'eval(1)'",
    ],
)
def test_what_only_looks_like_it_is_not(source: str) -> None:
    assert python_findings(source) == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("node.innerHTML = text", "innerHTML"),
        ('node["outerHTML"] += text', "outerHTML"),
        ("node.insertAdjacentHTML('beforeend', text)", "insertAdjacentHTML"),
        ("document.write(text)", "document.write"),
        ("document.writeln(text)", "document.writeln"),
        ("window.eval (text)", "eval"),
        ("new Function('a', text)", "Function"),
        ("Function(text)()", "Function"),
        ("frame.srcdoc = text", "srcdoc"),
        ("setTimeout('go()', 1)", "setTimeout"),
    ],
)
def test_what_is_planted_in_a_script_is_found(source: str, found: str) -> None:
    assert script_findings(source) == {found: 1}


@pytest.mark.parametrize(
    "source", ["node.textContent = text", "evaluate(text)", "function (a) {}", "setTimeout(() => go('x'), 1)", "isFunction(a)"]
)
def test_scripts_that_are_fine(source: str) -> None:
    assert script_findings(source) == {}
