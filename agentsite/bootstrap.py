"""Make .venv and install the pinned requirements into it: `python3 agentsite/bootstrap.py requirements.txt`.

It runs before anything is installed and must tell an old Python what is wrong, so it parses on every Python 3.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")


def obstacle() -> str:
    """Why this Python can't make the environment, as one sentence; empty when it can."""
    if sys.version_info < (3, 11):
        return "Python 3.11 or newer is needed, and %s is %d.%d; name another one: make PYTHON=python3.12 ..." % (
            sys.executable,
            *sys.version_info[:2],
        )
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        return "Python's venv module is missing; install it, on Debian and Ubuntu with: apt install python3-venv"
    if not os.access(ROOT, os.W_OK):
        return "%s cannot be written by this user; use a checkout of your own." % ROOT
    return ""


def fingerprint() -> str:
    """Changes when the requirements or the Python of the environment do."""
    digest = hashlib.sha256(subprocess.check_output([PYTHON, "-VV"]))
    for name in ("constraints.txt", "requirements.txt", "requirements-dev.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def venv_works() -> bool:
    """Whether .venv is there, its Python still runs, and it got its pip."""
    has_pip = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('pip'))"
    return os.path.exists(PYTHON) and not subprocess.call([PYTHON, "-c", has_pip])


def run(*argv: str) -> None:
    """Runs one step; it has told the person itself what went wrong."""
    if subprocess.call(argv):
        raise SystemExit("agentsite: the step above failed: %s" % " ".join(argv))


def install(requirements: str) -> None:
    """Does nothing when the stamp in .venv says that these requirements are installed."""
    if not venv_works():
        print("agentsite: making .venv", flush=True)
        run(sys.executable, "-m", "venv", "--clear", VENV)
    stamp = os.path.join(VENV, requirements + ".sha256")
    wanted = fingerprint()
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == wanted:
                return
        os.remove(stamp)
    print("agentsite: installing %s (a minute or two the first time)" % requirements, flush=True)
    run(PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "-r", os.path.join(ROOT, requirements))
    with open(stamp, "w") as file:
        file.write(wanted)


if __name__ == "__main__":
    if obstacle():
        raise SystemExit("agentsite: " + obstacle())
    try:
        install(sys.argv[1])
    except KeyboardInterrupt:
        raise SystemExit(130) from None
