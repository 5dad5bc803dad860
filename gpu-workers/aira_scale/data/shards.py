"""Read a data folder: an index with hashes, and token sequences addressed by one number.

The tokens of a split are one long stream over its shards. Sequence k of length L is the L + 1 tokens from k L on (the last one only as
a target). Training draws sequences without replacement: epoch e is a permutation keyed by (seed, e), step s of batch B takes places
s B to s B + B - 1. The order depends on seed, length and data alone, never on the architecture, and a resume needs no cursor but s.
"""

import hashlib
import json
from bisect import bisect_right
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from aira_workers.errors import InvalidCandidate
from aira_workers.strict import parse

from ..files import sha256_of

FORMAT = "aira-tokens-1"
SPLITS = ("train", "validation")
_STREAM = 33


@dataclass(frozen=True)
class Shard:
    file: str
    tokens: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """`digest` is the SHA-256 of everything else in canonical JSON but `sources`: what a job names as its data."""

    format: str
    vocabulary: int
    separator: int
    tokenizer_sha256: str
    train: list[Shard]
    validation: list[Shard]
    documents: Any
    sources: Any
    digest: str

    def sealed(self) -> "Index":
        """A copy with its digest."""
        return replace(self, digest=self.computed_digest())

    def computed_digest(self) -> str:
        deciding = {name: value for name, value in asdict(self).items() if name not in ("digest", "sources")}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class _IndexFile:
    format: str
    vocabulary: int
    separator: int
    tokenizer_sha256: str
    train: list[Shard]
    validation: list[Shard]
    digest: str


def read_index(folder: Path) -> Index:
    """The index of a data folder; raises InvalidCandidate when it is missing, of another format, or does not match its digest."""
    try:
        raw: dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        documents, sources = raw.pop("documents"), raw.pop("sources")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InvalidCandidate(f"{folder} is no data folder: its index.json cannot be read ({error})") from error
    parsed = parse(_IndexFile, raw, "index")
    index = Index(documents=documents, sources=sources, **parsed.__dict__)
    if index.format != FORMAT:
        raise InvalidCandidate(f"{folder} has the format {index.format!r}; this trainer reads {FORMAT!r}")
    if index.computed_digest() != index.digest:
        raise InvalidCandidate(f"{folder}/index.json was changed after it was written: its digest does not match")
    return index


class TokenStream:
    """The tokens of one split, mapped into memory."""

    def __init__(self, folder: Path, shards: list[Shard]) -> None:
        self._arrays, self._starts, total = [], [], 0
        for shard in shards:
            file = folder / shard.file
            if not file.is_file() or file.stat().st_size != 4 * shard.tokens:
                raise InvalidCandidate(f"{file} is missing or does not have {shard.tokens} tokens of 4 bytes")
            self._arrays.append(np.memmap(file, dtype="<u4", mode="r"))
            self._starts.append(total)
            total += shard.tokens
        self.tokens = total

    def sequences(self, length: int) -> int:
        """How many sequences of `length` tokens and a last target there are."""
        return (self.tokens - 1) // length

    def sequence(self, place: int, length: int) -> np.ndarray:
        """int64 (length + 1,)."""
        start, end = place * length, place * length + length + 1
        shard = bisect_right(self._starts, start) - 1
        parts = []
        while start < end:
            offset = start - self._starts[shard]
            part = self._arrays[shard][offset : offset + end - start]
            parts.append(part)
            start += len(part)
            shard += 1
        return np.concatenate(parts).astype(np.int64)


class TrainingOrder:
    """Which sequences a step takes."""

    def __init__(self, stream: TokenStream, length: int, batch: int, seed: int) -> None:
        self._stream, self._length, self._batch, self._seed = stream, length, batch, seed
        self._count = stream.sequences(length)
        if self._count < 1:
            raise InvalidCandidate(f"the training data has {stream.tokens} tokens, less than one sequence of {length}")
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def places(self, step: int) -> list[int]:
        """The places of the sequences of `step`, in order."""
        return [self._place(position) for position in range(step * self._batch, (step + 1) * self._batch)]

    def batch(self, step: int, start: int, end: int) -> np.ndarray:
        """int64 (end - start, length + 1): rows start to end - 1 of the batch of `step`."""
        return np.stack([self._stream.sequence(place, self._length) for place in self.places(step)[start:end]])

    def _place(self, position: int) -> int:
        epoch, offset = divmod(position, self._count)
        if epoch != self._epoch:
            rng = np.random.default_rng(np.random.SeedSequence((_STREAM, self._seed, epoch)))
            self._epoch, self._permutation = epoch, rng.permutation(self._count)
        return int(self._permutation[offset])


def verify(folder: Path, index: Index) -> None:
    """Compare every file of the folder with its SHA-256; raise InvalidCandidate naming the first that differs."""
    named = [(shard.file, shard.sha256) for split in SPLITS for shard in getattr(index, split)]
    for file, expected in [*named, ("tokenizer.json", index.tokenizer_sha256)]:
        try:
            found = sha256_of(folder / file)
        except OSError as error:
            raise InvalidCandidate(f"{folder / file} cannot be read: {error.strerror}") from error
        if found != expected:
            raise InvalidCandidate(f"{folder / file} was changed after it was imported: its SHA-256 does not match")
