"""What a process counts about itself, and its sign of life: one row a process, written every few seconds (by a web process while it
has sockets), so that any web process can answer for the whole site."""

import os
import socket
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram

NAME = f"{socket.gethostname()}:{os.getpid()}"
STARTED_AT = datetime.now(UTC)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REGISTRY = CollectorRegistry()
FIRST_TOKEN = Histogram(
    "agentsite_first_token_seconds", "From a prompt to the first committed part of its answer", registry=REGISTRY, buckets=SECONDS
)
WINDOW = Histogram("agentsite_window_seconds", "What a group commit of new parts takes", registry=REGISTRY, buckets=SECONDS)
DELTA_WAIT = Histogram(
    "agentsite_delta_wait_seconds", "How long the oldest part of a group commit had waited when it was committed",
    registry=REGISTRY, buckets=SECONDS,
)  # fmt: skip
LOOP_LAG = Histogram("agentsite_loop_lag_seconds", "How late the event loop of a web process was", registry=REGISTRY, buckets=SECONDS)
SOCKETS = Gauge("agentsite_sockets", "Open sockets", registry=REGISTRY)
ACTIVE_RUNS = Gauge("agentsite_active_runs", "Runs in a worker", registry=REGISTRY)
LEFT_TOOLS = Gauge("agentsite_left_tools", "Tools that did not come back in time and still run", registry=REGISTRY)


def collected() -> list[dict[str, Any]]:
    """All figures of this process as plain JSON: name, kind, help and samples of (name, labels, value)."""
    return [
        {
            "name": family.name,
            "kind": family.type,
            "help": family.documentation,
            "samples": [[s.name, s.labels, s.value] for s in family.samples if not s.name.endswith("_created")],
        }
        for family in REGISTRY.collect()
    ]
