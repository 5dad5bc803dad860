"""The three splits of a task of the Long Range Arena as arrays, from a generator or from imported files."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..randomness import stream
from ..settings import LraData
from . import files, listops, papers, reviews

Row = tuple[tuple[bytes, ...], int]
"""The documents of one example (one, or two for retrieval) as raw token ids, and its class."""


_MAKERS: dict[tuple[str, str], Callable[[np.random.Generator, int], Row]] = {
    ("text", "generated"): reviews.review,
    ("retrieval", "generated"): papers.pair,
    ("retrieval", "distant"): papers.turning_pair,
}


class Split(NamedTuple):
    """inputs (rows, documents, length) uint16, 0 = padding; targets (rows,) int64."""

    inputs: np.ndarray
    targets: np.ndarray


def splits(data: LraData, seed: int, secret: bytes | None, root: Path | None) -> dict[str, Split]:
    """Return train, validation and test. No row of a generated hidden split occurs in another split.

    Raises FileNotFoundError or ValueError, with one sentence, when imported files are missing or not as they should be.
    """
    rows = _imported(data, root) if data.source == "files" else _generated(data, seed, secret)
    return {name: _arrays(found, data) for name, found in rows.items()}


def _generated(data: LraData, seed: int, secret: bytes | None) -> dict[str, list[Row]]:
    seen: set[bytes] = set()
    # Training rows depend on the secret as well: who knows what a row says can read the embedding off its activations.
    return {
        name: _draw(data, stream(f"lra-{data.task}-{name}", seed, secret), count, seen)
        for name, count in (("train", data.train), ("validation", data.validation), ("test", data.test))
    }


def _draw(data: LraData, rng: np.random.Generator, count: int, seen: set[bytes]) -> list[Row]:
    if data.task == "listops":
        if data.source == "distant":
            found = listops.distant(rng, data.length)
        else:
            found = listops.expressions(rng, data.min_length, data.length, data.max_depth, data.max_args)
        return [((tokens,), value) for tokens, value in listops.distinct(found, count, seen)]
    make = _MAKERS[data.task, data.source]
    rows: list[Row] = []
    while len(rows) < count:
        row = make(rng, data.length)
        key = b"\0".join(row[0])
        if key not in seen:
            seen.add(key)
            rows.append(row)
    return rows


def _imported(data: LraData, root: Path | None) -> dict[str, list[Row]]:
    found = files.read(data.task, root)
    limits = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: found[name] if limit == 0 else found[name][:limit] for name, limit in limits.items()}


def _arrays(rows: list[Row], data: LraData) -> Split:
    """Cut to `length` from the front and pad behind. Bytes are shifted by one, since 0 is padding."""
    shift = 0 if data.task == "listops" else 1
    inputs = np.zeros((len(rows), len(rows[0][0]), data.length), dtype=np.uint16)
    for index, (documents, _) in enumerate(rows):
        for place, document in enumerate(documents):
            ids = np.frombuffer(document[: data.length], dtype=np.uint8)
            inputs[index, place, : len(ids)] = ids.astype(np.uint16) + shift
    return Split(inputs, np.array([value for _, value in rows], dtype=np.int64))
