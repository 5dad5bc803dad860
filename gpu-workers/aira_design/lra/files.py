"""The benchmark's own files, as `aira data import` leaves them below the data folder.

listops/basic_{train,val,test}.tsv                 header Source, Target
imdb/{train,test}/{pos,neg}/*.txt                  the folder of the large movie review data set
aan/new_aan_pairs.{train,eval,test}.tsv            label, id1, id2, text1, text2 without a header
"""

import csv
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from . import listops

_FOLDERS = {"listops": "listops", "text": "imdb", "retrieval": "aan"}
_MOST_BYTES = 10_000  # of an AAN text, as the published pipeline cuts it
_HELD_OUT = 10  # one in this many training reviews is for validation


def read(task: str, root: Path | None) -> dict[str, list[tuple[tuple[bytes, ...], int]]]:
    """Return rows of train, validation and test in an order of their own content, not of the file system."""
    folder = None if root is None else root / _FOLDERS[task]
    if folder is None or not folder.is_dir():
        raise FileNotFoundError(
            f"the files of {_FOLDERS[task]} are not in the data folder; run `aira data import {_FOLDERS[task]} <folder>`"
        )
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    if task == "listops":
        names = {"train": "train", "validation": "val", "test": "test"}
        return {split: list(_expressions(folder / f"basic_{name}.tsv")) for split, name in names.items()}
    if task == "retrieval":
        names = {"train": "train", "validation": "eval", "test": "test"}
        return {split: list(_pairs(folder / f"new_aan_pairs.{name}.tsv")) for split, name in names.items()}
    return _reviews(folder)


def _expressions(file: Path) -> Iterator[tuple[tuple[bytes, ...], int]]:
    with file.open(newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.DictReader(stream, delimiter="\t"), start=2):
            try:
                yield (listops.encode(row["Source"]),), int(row["Target"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{file} line {number} is no ListOps expression with its value: {error}") from error


def _pairs(file: Path) -> Iterator[tuple[tuple[bytes, ...], int]]:
    with file.open(newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if len(row) != 5 or row[0] not in ("0", "1", "0.0", "1.0"):
                raise ValueError(f"{file} line {number} is not label, id1, id2, text1, text2")
            yield (row[3].encode()[:_MOST_BYTES], row[4].encode()[:_MOST_BYTES]), int(float(row[0]))


def _reviews(folder: Path) -> dict[str, list[tuple[tuple[bytes, ...], int]]]:
    """The published code validates on the test split; here a tenth of the training reviews is held out instead, so
    that the test split stays unseen by a search. Which tenth is decided by the hash of a review.
    """
    rows: dict[str, list[tuple[tuple[bytes, ...], int]]] = {"train": [], "validation": [], "test": []}
    for source in ("train", "test"):
        keyed = []
        for label, name in enumerate(("neg", "pos")):
            place = folder / source / name
            if not place.is_dir():
                raise FileNotFoundError(f"{place} is not there; import the folder with train and test again")
            for file in place.glob("*.txt"):
                text = file.read_bytes()
                keyed.append((hashlib.sha256(text).digest(), text, label))
        for digest, text, label in sorted(keyed):
            hidden = source == "train" and digest[-1] % _HELD_OUT == 0
            rows["validation" if hidden else source].append(((text,), label))
    return rows
