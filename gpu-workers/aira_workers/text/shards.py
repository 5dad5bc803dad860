"""Documents from imported shards: `*.txt` (one document a file), `*.jsonl` (key "text") and `*.parquet` (column "text").

Shards are read in the order of their names. As in the published recipe the last one is hidden; its documents are divided
between validation and test by their hash, so that neither depends on how many are asked for.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 100_000  # bytes of a document that are used
_HELD_OUT = 20  # of a corpus in one shard, one in this many documents is hidden


def documents(root: Path | None, corpus: str, split: str) -> Iterator[bytes]:
    """Yield the documents of `split` (train, validation or test) of the imported corpus `corpus`.

    Raises FileNotFoundError or ValueError, in one sentence with a remedy, when it is not there or cannot be read.
    """
    shards = _shards(root, corpus)
    single = len(shards) == 1
    for shard in shards[:-1] if split == "train" and not single else shards[-1:]:
        for document in _read(shard):
            if not document:
                continue
            place = hashlib.sha256(document).digest()
            hidden = not single or place[0] % _HELD_OUT == 0
            if (split == "train" and not (single and hidden)) or (
                split != "train" and hidden and (place[1] % 2 == 0) == (split == "validation")
            ):
                yield document


def _shards(root: Path | None, corpus: str) -> list[Path]:
    folder = None if root is None else root / corpus
    found: dict[str, list[Path]] = {}
    for suffix in (".parquet", ".jsonl", ".txt"):
        found[suffix] = [] if folder is None else sorted(folder.rglob(f"*{suffix}"))
    shards = [file for files in found.values() for file in files]
    if not shards:
        raise FileNotFoundError(
            f"the corpus {corpus} is not in the data folder; run `aira data import {corpus} <folder of text>`"
        )
    return sorted(shards)


def _read(shard: Path) -> Iterator[bytes]:
    if shard.suffix == ".txt":
        yield shard.read_bytes()[:_LONGEST]
        return
    if shard.suffix == ".jsonl":
        with shard.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    yield json.loads(line)["text"].encode()[:_LONGEST]
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise ValueError(f"{shard} line {number} is not an object with a text") from error
        return
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise FileNotFoundError(
            f"{shard.name} is a parquet file, which this Python cannot read; install pyarrow, or import text or JSON lines"
        ) from error
    file = parquet.ParquetFile(shard)
    for group in range(file.num_row_groups):
        for value in file.read_row_group(group, columns=["text"]).column("text").to_pylist():
            yield value.encode()[:_LONGEST]
