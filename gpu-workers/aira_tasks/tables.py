"""Splits of AIRS-Bench tasks as tables, in the formats that tasks use: csv, npz, and Hugging Face dataset folders.

A split is a folder that holds exactly one table: one `*.csv` with a header, one `*.npz` whose arrays have equally many
rows, or what `datasets` saved (which needs that package).
"""

import csv
import shutil
from pathlib import Path
from typing import Any, Dict, List, Protocol, Sequence

import numpy as np


class NoTable(Exception):
    """Thrown when a folder is no split of a known format; the message says why in one sentence."""


class Table(Protocol):
    names: List[str]
    rows: int

    def column(self, name: str) -> List[Any]:
        """Plain values: numbers, texts, lists of them."""

    def take(self, rows: Sequence[int]) -> "Table":
        """These rows, in this order."""

    def without(self, names: Sequence[str]) -> "Table":
        """All but these columns."""

    def save(self, folder: Path) -> None:
        """Write in the format that it was read from."""


def read_table(folder: Path) -> Table:
    """Raises NoTable when there is none, or `datasets` is needed and missing."""
    if not folder.is_dir():
        raise NoTable(f"{folder} is not a directory")
    if (folder / "dataset_info.json").is_file():
        return _Arrow.read(folder)
    found = sorted([*folder.glob("*.csv"), *folder.glob("*.npz")])
    if len(found) != 1:
        raise NoTable(f"{folder} holds {len(found)} tables; one csv, one npz or one saved dataset is expected")
    return _Csv.read(found[0]) if found[0].suffix == ".csv" else _Npz.read(found[0])


class _Csv:
    def __init__(self, file: str, names: List[str], lines: List[List[str]]) -> None:
        self._file, self.names, self._lines, self.rows = file, names, lines, len(lines)

    @staticmethod
    def read(file: Path) -> "_Csv":
        with file.open(newline="", encoding="utf-8-sig") as stream:
            lines = [line for line in csv.reader(stream) if line]
        if not lines or any(len(line) != len(lines[0]) for line in lines):
            raise NoTable(f"{file} is no csv with a header and rows of its width")
        return _Csv(file.name, lines[0], lines[1:])

    def column(self, name: str) -> List[Any]:
        place = self.names.index(name)
        return [line[place] for line in self._lines]

    def take(self, rows: Sequence[int]) -> "_Csv":
        return _Csv(self._file, self.names, [self._lines[row] for row in rows])

    def without(self, names: Sequence[str]) -> "_Csv":
        kept = [place for place, name in enumerate(self.names) if name not in names]
        return _Csv(self._file, [self.names[i] for i in kept], [[line[i] for i in kept] for line in self._lines])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        with (folder / self._file).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([self.names, *self._lines])


class _Npz:
    def __init__(self, file: str, arrays: Dict[str, np.ndarray]) -> None:
        self._file, self._arrays, self.names = file, arrays, list(arrays)
        self.rows = len(next(iter(arrays.values())))

    @staticmethod
    def read(file: Path) -> "_Npz":
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if not arrays or len({len(array) if array.ndim else -1 for array in arrays.values()}) != 1:
            raise NoTable(f"the arrays of {file} have different numbers of rows")
        return _Npz(file.name, arrays)

    def column(self, name: str) -> List[Any]:
        return self._arrays[name].tolist()

    def take(self, rows: Sequence[int]) -> "_Npz":
        picked = np.asarray(rows, dtype=np.int64)
        return _Npz(self._file, {name: array[picked] for name, array in self._arrays.items()})

    def without(self, names: Sequence[str]) -> "_Npz":
        return _Npz(self._file, {name: array for name, array in self._arrays.items() if name not in names})

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        np.savez_compressed(folder / self._file, **self._arrays)


class _Arrow:
    def __init__(self, dataset: Any) -> None:
        self._dataset, self.names, self.rows = dataset, list(dataset.column_names), len(dataset)

    @staticmethod
    def read(folder: Path) -> "_Arrow":
        try:
            from datasets import load_from_disk
        except ImportError as error:
            raise NoTable(f"{folder} is a saved dataset, which needs the Python package datasets") from error
        return _Arrow(load_from_disk(str(folder)))

    def column(self, name: str) -> List[Any]:
        return list(self._dataset[name])

    def take(self, rows: Sequence[int]) -> "_Arrow":
        return _Arrow(self._dataset.select(list(rows)))

    def without(self, names: Sequence[str]) -> "_Arrow":
        return _Arrow(self._dataset.remove_columns([name for name in names if name in self.names]))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        try:
            self._dataset.save_to_disk(str(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
