"""Keeping the vectors of what was said up to date, in the background: batch by batch, again and again until nothing waits.

A change of the model lets everything wait for a new vector; until it has one, the old one is found with the old model.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings

from agents.embedding import BATCH, Owner, dimensions, embed
from agents.errors import ProviderError
from threads.embeddings import REFUSED, build_index, label, models_in_use, needs_index, save_vectors
from threads.models import Chunk

logger = logging.getLogger(__name__)
FORGET = 5000
SHORTEST = 200
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
    done = after = 0
    dims = dimensions(model)
    while time.monotonic() < deadline:
        batch = list(Chunk.objects.to_embed().filter(pk__gt=after).order_by("pk")[:BATCH])
        if not batch:
            if not _let_others_wait(model, dims):
                break
            after = 0
            continue
        dims = dims or len(embed(["x"], model)[0])
        done += _embed(batch, model, dims)
        after = batch[-1].pk
        tell(done)
    if dims is not None and needs_index(model, dims):
        build_index(model, dims)
    return done


def _embed(chunks: list[Chunk], model: str, dims: int) -> int:
    """Embed and save these; a text that the model refuses is found by halving, shortened, and given up in the end."""
    try:
        owners = [Owner(chunk.user_id, chunk.thread_id) for chunk in chunks]
        return save_vectors(chunks, embed([chunk.text for chunk in chunks], model, owners), model, dims)
    except ProviderError as error:
        if error.as_json()["kind"] != "bad_request":
            raise
    if len(chunks) > 1:
        middle = len(chunks) // 2
        return _embed(chunks[:middle], model, dims) + _embed(chunks[middle:], model, dims)
    (chunk,) = chunks
    if len(chunk.text) > SHORTEST:
        chunk.text = chunk.text[: len(chunk.text) // 2]
        return _embed([chunk], model, dims)
    logger.warning("chunk %d cannot be embedded with %s", chunk.pk, model)
    Chunk.objects.filter(pk=chunk.pk).update(embedded_as=REFUSED)
    return 0


def _let_others_wait(model: str, dims: int | None) -> int:
    """Chunks that another model embedded wait for a new vector; says how many."""
    others = [label(*other) for other in models_in_use() if other[0] != model or (dims is not None and other[1] != dims)]
    stale = Chunk.objects.filter(embedded_as__in=others).values("pk")[:FORGET]
    return Chunk.objects.filter(pk__in=stale).update(embedded_as="") if others else 0


def embed_in_background() -> None:
    """As the beat does it: a model that cannot be reached is a log line, and the next pass tries again."""
    try:
        embed_waiting()
    except ProviderError as error:
        logger.warning("not embedded: %s", error)
