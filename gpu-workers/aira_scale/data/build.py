"""Write a data folder: token shards of the training and the validation documents, the tokenizer, and an index of hashes.

    index.json                       see `shards.py`
    tokenizer.json
    train-00000.bin ...              little-endian uint32, SHARD_TOKENS each but the last
    validation-00000.bin ...

A document belongs to validation when the first eight bytes of its SHA-256 fall below `validation_share` of their range: by content
alone, so that neither order nor number of files moves it, and equal documents are never on both sides.

The folder appears whole or not at all: it is written next to its place and renamed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
from aira_workers.errors import InvalidCandidate

from ..files import sha256_of
from .documents import read_documents, text_files
from .generated import documents as generated_documents
from .shards import FORMAT, SPLITS, Index, Shard
from .tokenizer import Codec, make_tokenizer, readable

SHARD_TOKENS = 64 * 1024 * 1024
_BATCH = 512  # documents encoded together
_LEARN_BYTES = 200_000_000  # text that a tokenizer is learned from, at most


def from_folder(folder: Path) -> tuple[Callable[[], Iterator[str]], list[dict]]:
    """The documents of a folder of text, to be read as often as needed, and the hashes of its files."""
    files = text_files(folder)
    sources = [
        {"file": file.relative_to(folder).as_posix(), "bytes": file.stat().st_size, "sha256": sha256_of(file)}
        for file in files
    ]
    return (lambda: (document for file in files for document in read_documents(file))), sources


def from_generator(seed: int, count: int) -> tuple[Callable[[], Iterator[str]], list[dict]]:
    """`count` documents of `generated.py`."""
    if count < 1:
        raise InvalidCandidate(f"documents must be at least 1, got {count}")
    return (lambda: islice(generated_documents(seed), count)), [{"generated": seed, "documents": count}]


def build(
    read: Callable[[], Iterator[str]],
    sources: list[dict],
    tokenizer: str,
    validation_share: float,
    target: Path,
    shard_tokens: int = SHARD_TOKENS,
) -> Index:
    """Write the data folder `target`, which must not exist, and return its index."""
    if not 0 < validation_share < 1:
        raise InvalidCandidate(f"validation share must be between 0 and 1, got {validation_share}")
    if target.exists():
        raise InvalidCandidate(f"{target} is there already; name another folder or remove it")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        training = (text for split, text in _split(read(), validation_share) if split == "train")
        codec = Codec(make_tokenizer(tokenizer, _at_most(training, _LEARN_BYTES)))
        (partial / "tokenizer.json").write_text(codec.text, encoding="utf-8")
        writers = {split: _Writer(partial, split, shard_tokens) for split in SPLITS}
        documents = _split(read(), validation_share)
        while batch := list(islice(documents, _BATCH)):
            for (split, _), ids in zip(batch, codec.encode_batch([text for _, text in batch])):
                writers[split].add(ids)
        shards = {split: writer.close() for split, writer in writers.items()}
        for split in SPLITS:
            if not shards[split]:
                raise InvalidCandidate(
                    f"no document fell to {split}; bring more documents or change the validation share"
                )
        index = Index(
            format=FORMAT,
            vocabulary=codec.vocabulary,
            separator=codec.separator,
            tokenizer_sha256=hashlib.sha256(codec.text.encode()).hexdigest(),
            train=shards["train"],
            validation=shards["validation"],
            documents={split: writer.documents for split, writer in writers.items()},
            sources=sources,
            digest="",
        ).sealed()
        (partial / "index.json").write_text(json.dumps(asdict(index), indent=1) + "\n", encoding="utf-8")
        os.rename(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return index


class _Writer:
    def __init__(self, folder: Path, split: str, shard_tokens: int) -> None:
        self._folder, self._split, self._limit = folder, split, shard_tokens
        self._waiting: list[np.ndarray] = []
        self._size, self._shards = 0, []
        self.documents = 0

    def add(self, ids: np.ndarray) -> None:
        self.documents += 1
        self._waiting.append(ids)
        self._size += len(ids)
        if self._size >= self._limit:
            tokens = np.concatenate(self._waiting)
            whole = self._size // self._limit * self._limit
            for start in range(0, whole, self._limit):
                self._write(tokens[start : start + self._limit])
            self._waiting, self._size = [tokens[whole:]], self._size - whole

    def close(self) -> list[Shard]:
        if self._size:
            self._write(np.concatenate(self._waiting))
        return self._shards

    def _write(self, tokens: np.ndarray) -> None:
        name = f"{self._split}-{len(self._shards):05d}.bin"
        data = tokens.astype("<u4").tobytes()
        (self._folder / name).write_bytes(data)
        self._shards.append(Shard(name, len(tokens), hashlib.sha256(data).hexdigest()))


def _split(documents: Iterable[str], share: float) -> Iterator[tuple[str, str]]:
    for document in documents:
        text = readable(document)
        place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
        yield ("validation" if place < share else "train"), text


def _at_most(texts: Iterable[str], limit: int) -> Iterator[str]:
    size = 0
    for text in texts:
        yield text
        size += len(text)
        if size >= limit:
            return
