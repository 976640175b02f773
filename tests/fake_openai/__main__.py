"""`python -m tests.fake_openai --port 0`: prints the port, then serves until it is ended."""

import argparse

from .server import run

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--lenient", action="store_true", help="answer requests that the real server refuses")
options = parser.parse_args()
run(options.port, strict=not options.lenient)
