"""Blocks of tokens for the language proxy, cut from documents of one split.

Documents follow each other, each behind a begin-of-text mark; the stream is cut into blocks that do not overlap. Blocks
are cached per process by everything they depend on, because a population trains on the same ones.
"""

import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import InvalidCandidate
from ..text import shards, stories
from ..text.tokenizers import BEGIN, BYTES, Tokenizer, learn

Split = Literal["train", "validation", "test"]

GENERATED = "stories"
DATA_VARIABLE = "AIRA_DATA"
_STREAMS = {"train": 11, "validation": 12, "test": 13}
_LEARN_FROM = 20_000  # documents


@lru_cache(maxsize=8)
def blocks(corpus: str, document_bytes: int, vocabulary: int, seed: int, split: Split, count: int, width: int):
    """Return (count, width) int64, read-only. Raises InvalidCandidate when the corpus is not there or too small."""
    tokens = _tokenizer(corpus, document_bytes, vocabulary)
    found = np.empty(count * width, dtype=np.int64)
    used = 0
    for document in _documents(corpus, document_bytes, seed, split):
        ids = tokens.encode(document)[: len(found) - used - 1]
        found[used] = BEGIN
        found[used + 1 : used + 1 + len(ids)] = ids
        used += 1 + len(ids)
        if used == len(found):
            found = found.reshape(count, width)
            found.setflags(write=False)
            return found
    raise InvalidCandidate(f"the {split} text of {corpus} fills {used // width} blocks of {width} tokens, not {count}")


@lru_cache(maxsize=2)
def _tokenizer(corpus: str, document_bytes: int, vocabulary: int) -> Tokenizer:
    """Learned from training text; the same for every seed, so that losses of two seeds are of the same tokens."""
    if vocabulary == BYTES:
        return Tokenizer([])
    found = learn(islice(_documents(corpus, document_bytes, 0, "train"), _LEARN_FROM), vocabulary)
    if found.vocabulary != vocabulary:
        raise InvalidCandidate(f"the text of {corpus} holds only {found.vocabulary} of {vocabulary} tokens")
    return found


def _documents(corpus: str, document_bytes: int, seed: int, split: Split) -> Iterator[bytes]:
    if corpus != GENERATED:
        return _imported(corpus, split)
    rng = np.random.default_rng(np.random.SeedSequence((_STREAMS[split], seed)))
    return (one.encode() for one in stories.documents(rng, document_bytes))


def _imported(corpus: str, split: Split) -> Iterator[bytes]:
    place: str | None = os.environ.get(DATA_VARIABLE)
    try:
        yield from shards.documents(Path(place) if place else None, corpus, split)
    except (OSError, ValueError) as error:
        raise InvalidCandidate(str(error)) from error
