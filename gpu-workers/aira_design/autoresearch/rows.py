"""Documents, the tokens they are spelled in, hidden rows of them, and the positions that are asked for."""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
from aira_workers.text import shards, stories
from aira_workers.text.tokenizers import Tokenizer, learn

from ..randomness import stream
from ..settings import GENERATED_CORPUS, TextData
from .packing import Packer

_LEARN_FROM_BYTES, _LEARN_FROM_EACH = 1_000_000_000, 10_000
"""The published tokenizer's text, and how much of one document it may be."""


def documents(data: TextData, split: str, seed: int, secret: bytes | None, root: Path | None) -> Iterator[bytes]:
    """The documents of one split; without end where they are generated."""
    if data.corpus != GENERATED_CORPUS:
        return shards.documents(root, data.corpus, split)
    rng = stream(f"autoresearch-{split}", seed, None if split == "train" else secret)
    return (one.encode() for one in stories.documents(rng, data.document_bytes))


def training_text(data: TextData, found: Iterator[bytes]) -> list[bytes]:
    """Documents of `train_bytes` bytes together, or all there are."""
    taken, size = [], 0
    for one in found:
        taken.append(one)
        size += len(one)
        if size >= data.train_bytes:
            break
    return taken


def tokenizer(data: TextData, texts: list[bytes]) -> Tokenizer:
    """Plain bytes, or pairs learned from the first 1e9 bytes of the training text, as published."""
    ends = accumulate(min(len(one), _LEARN_FROM_EACH) for one in texts)
    short = (one[:_LEARN_FROM_EACH] for one, end in zip(texts, ends) if end <= _LEARN_FROM_BYTES)
    found = learn(short, data.vocabulary)
    if found.vocabulary != data.vocabulary:
        raise ValueError(f"the training text holds only {found.vocabulary} of {data.vocabulary} tokens; give more text")
    return found


def pack(texts: Iterator[bytes], tokens: Tokenizer, rows: int, width: int, packing: str) -> np.ndarray:
    """(rows, width) uint16. Raises ValueError when the documents do not fill the rows."""
    packed = np.zeros((rows, width), dtype=np.uint16)
    packer = Packer(map(tokens.encode, texts), packing)
    for full, row in enumerate(packed):
        if not packer.fill(row):
            raise ValueError(f"the hidden text fills {full} rows of {width} tokens; {rows} are wanted")
    return packed


def positions(data: TextData, rows: int, rng: np.random.Generator) -> np.ndarray:
    """(groups, asked_per_row) int64, ascending in each group of `rows_at_once` rows: after which tokens the next is requested.

    The rows of a group are asked at the same positions, so that a program receives the same number of tokens for each.
    """
    groups = -(-rows // data.rows_at_once)
    drawn = [rng.choice(data.length, data.asked_per_row, replace=False) for _ in range(groups)]
    return np.sort(np.stack(drawn), axis=1).astype(np.int64)
