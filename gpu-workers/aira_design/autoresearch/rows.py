"""From documents to rows of tokens, and the probes that are mixed among them.

Every row is a begin-of-text mark and whole documents, each behind such a mark; the last document is cut off to fill the
row, as in the published loader. Inputs are the first `length` tokens, targets the same moved by one.
"""

from itertools import islice
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional

import numpy as np

from aira_workers.text import shards, stories
from aira_workers.text.tokenizers import BEGIN, Tokenizer, learn

from ..randomness import shuffled_apart, stream
from ..settings import GENERATED_CORPUS, TextData

_LEARN_FROM_BYTES = 50_000_000


class Rows(NamedTuple):
    """inputs (rows, length) uint16; asked (rows, k) int64 positions; targets (rows, k) int64, -1 where not scored.

    copies (n, 2): rows with the same tokens. futures (n, 3): two rows that share their first p tokens, and p. splices
    (n, 2): a row that goes on with another text after p tokens, and the place in its `asked` of position p - 1, where
    `spliced` (n,) would have followed.
    """

    inputs: np.ndarray
    asked: np.ndarray
    targets: np.ndarray
    copies: np.ndarray
    futures: np.ndarray
    splices: np.ndarray
    spliced: np.ndarray


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


def with_probes(packed: np.ndarray, scored: int, probes: int, asked: int, rng: np.random.Generator) -> Rows:
    """Scored rows and probes, shuffled. packed (scored + splices, length + 1), splices > 1; needs 2 x probes <= scored.

    Three kinds of probes, `probes` each of the first two: exact copies of scored rows (another batch must not matter); scored rows with
    another future (what follows must not matter); and rows of their own that go on with another text somewhere. The
    originals of those last ones are nowhere in the file, so a program that looks ahead cannot tell them from the rest:
    it answers with what follows in the file, where something else would have followed.
    """
    length = packed.shape[1] - 1
    genuine, own = packed[:scored], packed[scored:]
    spliced = len(own)
    places = np.sort(np.stack([rng.choice(length, asked, replace=False) for _ in range(len(genuine))]), axis=1)
    copied, turned = np.split(rng.choice(scored, 2 * probes, replace=False), 2)
    twins = genuine[turned].copy()
    cuts = np.empty(probes, dtype=np.int64)
    for index, row in enumerate(turned):
        # Cut just behind an asked position, so that a look one token ahead shows.
        cuts[index] = places[row][rng.integers(asked // 2, asked)] + 1
        twins[index, cuts[index] :] = genuine[_other(rng, scored, row), cuts[index] :]
    spliced_rows, spliced_places = own.copy(), np.empty((spliced, asked), dtype=np.int64)
    which, truth = np.empty(spliced, dtype=np.int64), np.empty(spliced, dtype=np.int64)
    for index in range(spliced):
        spliced_places[index] = np.sort(rng.choice(length, asked, replace=False))
        which[index] = rng.integers(asked)
        cut = spliced_places[index][which[index]] + 1
        truth[index] = own[index, cut]
        spliced_rows[index, cut:] = own[_other(rng, spliced, index), cut:]
    everything = np.concatenate([genuine, genuine[copied], twins, spliced_rows])
    all_places = np.concatenate([places, places[copied], places[turned], spliced_places])
    originals = np.concatenate([copied, turned])
    order = shuffled_apart(rng, len(everything), originals, scored + np.arange(2 * probes))
    place = np.argsort(order)
    targets = np.take_along_axis(everything[:, 1:].astype(np.int64), all_places, axis=1)
    targets[scored:] = -1
    second = scored + np.arange(probes)
    return Rows(
        inputs=everything[order][:, :-1],
        asked=all_places[order],
        targets=targets[order],
        copies=np.stack([place[copied], place[second]], axis=1),
        futures=np.stack([place[turned], place[second + probes], cuts], axis=1),
        splices=np.stack([place[scored + 2 * probes + np.arange(spliced)], which], axis=1),
        spliced=truth,
    )


def _other(rng: np.random.Generator, count: int, but: int) -> int:
    return int((but + rng.integers(1, count)) % count)
