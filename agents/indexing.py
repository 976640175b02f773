"""Keeping the vectors of what was said up to date, in the background: batch by batch, again and again until nothing waits.

A change of the model lets everything wait for a new vector; until it has one, the old one is found with the old model.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings

from agents.embedding import BATCH, dimensions, embed
from agents.errors import ProviderError
from threads.embeddings import build_index, label, models_in_use, needs_index, save_vectors
from threads.models import Chunk

logger = logging.getLogger(__name__)
FORGET = 5000
# One pass at a time in this process: two would embed the same, and pay twice.
_one_pass = threading.Lock()


def embed_waiting(seconds: float = 60, tell: Callable[[int], None] = lambda _done: None) -> int:
    """Embed what waits, for so long at most; returns how many chunks. `tell` is called with the number after each batch.

    Raises ProviderError; what was embedded until then is saved.
    """
    if not _one_pass.acquire(blocking=False):
        return 0
    try:
        return _embed_waiting(settings.EMBEDDING_MODEL, time.monotonic() + seconds, tell)
    finally:
        _one_pass.release()


def _embed_waiting(model: str, deadline: float, tell: Callable[[int], None]) -> int:
    done, after, dims = 0, 0, dimensions(model)
    if dims is not None:
        _let_others_wait(model, dims)
    while time.monotonic() < deadline:
        batch = list(Chunk.objects.to_embed().filter(pk__gt=after).order_by("pk")[:BATCH])
        if not batch:
            break
        vectors = embed([chunk.text for chunk in batch], model)
        dims = dims or len(vectors[0])
        done += save_vectors(batch, vectors, model, dims)
        after = batch[-1].pk
        tell(done)
    if dims is not None and needs_index(model, dims):
        build_index(model, dims)
    return done


def _let_others_wait(model: str, dims: int) -> None:
    for other in models_in_use():
        if other != (model, dims):
            Chunk.objects.filter(pk__in=Chunk.objects.filter(embedded_as=label(*other)).values("pk")[:FORGET]).update(embedded_as="")


def embed_in_background() -> None:
    """As the beat does it: a model that cannot be reached is a log line, and the next pass tries again."""
    try:
        embed_waiting()
    except ProviderError as error:
        logger.warning("not embedded: %s", error)
