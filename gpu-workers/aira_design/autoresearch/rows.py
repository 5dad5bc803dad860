"""From documents to rows of tokens, and the positions that are asked for.

Every row is a begin-of-text mark and whole documents, each behind such a mark; the last document is cut off to fill the
row, as in the published loader.
"""

from itertools import islice
from pathlib import Path
from typing import Iterator, List, Optional

import numpy as np

from aira_workers.text import shards, stories
from aira_workers.text.tokenizers import BEGIN, Tokenizer, learn

from ..randomness import stream
from ..settings import GENERATED_CORPUS, TextData

_LEARN_FROM_BYTES = 50_000_000


def documents(data: TextData, split: str, seed: int, secret: Optional[bytes], root: Optional[Path]) -> Iterator[bytes]:
    """The documents of one split; without end where they are generated."""
    if data.corpus != GENERATED_CORPUS:
        return shards.documents(root, data.corpus, split)
    rng = stream(f"autoresearch-{split}", seed, None if split == "train" else secret)
    return (one.encode() for one in stories.documents(rng, data.document_bytes))


def training_text(data: TextData, found: Iterator[bytes]) -> List[bytes]:
    """Documents of `train_bytes` bytes together, or all there are."""
    taken, size = [], 0
    for one in found:
        taken.append(one)
        size += len(one)
        if size >= data.train_bytes:
            break
    return taken


def tokenizer(data: TextData, texts: List[bytes]) -> Tokenizer:
    """Plain bytes, or pairs learned from the first 50 MB of the training text."""
    most = max(1, _LEARN_FROM_BYTES * len(texts) // max(1, sum(map(len, texts))))
    found = learn(islice(texts, most), data.vocabulary)
    if found.vocabulary != data.vocabulary:
        raise ValueError(f"the training text holds only {found.vocabulary} of {data.vocabulary} tokens; give more text")
    return found


def pack(texts: Iterator[bytes], tokens: Tokenizer, rows: int, width: int) -> np.ndarray:
    """(rows, width) uint16. Raises ValueError when the documents do not fill the rows."""
    packed = np.zeros((rows, width), dtype=np.uint16)
    row, used = 0, 0
    for one in texts:
        ids = np.concatenate([[BEGIN], tokens.encode(one)])[: width - used]
        packed[row, used : used + len(ids)] = ids
        used += len(ids)
        if used == width:
            row, used = row + 1, 0
            if row == rows:
                return packed
    raise ValueError(f"the hidden text fills {row} rows of {width} tokens; {rows} are wanted")


def positions(data: TextData, rows: int, rng: np.random.Generator) -> np.ndarray:
    """(groups, asked_per_row) int64, ascending in each group of `rows_at_once` rows: after which tokens the next is asked for.

    The rows of a group are asked at the same positions, so that a program receives the same number of tokens for each.
    """
    groups = -(-rows // data.rows_at_once)
    drawn = [rng.choice(data.length, data.asked_per_row, replace=False) for _ in range(groups)]
    return np.sort(np.stack(drawn), axis=1).astype(np.int64)
