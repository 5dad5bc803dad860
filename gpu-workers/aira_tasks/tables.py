"""Splits of AIRS-Bench tasks as tables, in the formats that tasks use: csv, npz, and Hugging Face dataset folders.

A split is a folder with exactly one table: one `*.csv` with a header, one `*.npz` whose arrays have equally many
rows, or a dataset saved by `datasets` (which needs that package).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, Protocol
from zipfile import BadZipFile

import numpy as np

from . import csvtext


class NoTable(Exception):
    """Raised when a folder is not a split of a known format; the message says why in one sentence."""


class Table(Protocol):
    names: list[str]
    rows: int
    file: Optional[str]
    """Name of the one file within its folder; None where the folder is the table."""

    def column(self, name: str) -> list[Any]:
        """Plain values: numbers, texts, lists of them."""

    def take(self, rows: Sequence[int]) -> "Table":
        """These rows, in this order."""

    def without(self, names: Sequence[str]) -> "Table":
        """All but these columns."""

    def called(self, file: Optional[str]) -> "Table":
        """The same table in a file of this name, if the name has the table's format."""

    def save(self, folder: Path) -> None:
        """Write in the format that the table was read from."""


def replace_table(folder: Path, table: Table) -> None:
    """Replace the table of `folder` by `table`; other files stay."""
    fresh = folder.with_name(f"{folder.name}.fresh")
    table.save(fresh)
    if table.file is None:
        shutil.rmtree(folder)
        fresh.rename(folder)
    else:
        (fresh / table.file).replace(folder / table.file)
        fresh.rmdir()


def read_table(folder: Path) -> Table:
    """Raises NoTable when there is none, or `datasets` is needed and missing."""
    if not folder.is_dir():
        raise NoTable(f"there is no folder {folder.name}")
    if (folder / "dataset_info.json").is_file():
        return _Arrow.read(folder)
    found = sorted([*folder.glob("*.csv"), *folder.glob("*.npz")])
    if len(found) != 1:
        raise NoTable(f"{folder.name} has {len(found)} tables; one csv, one npz or one saved dataset is expected")
    return _Csv.read(found[0]) if found[0].suffix == ".csv" else _Npz.read(found[0])


class _Csv:
    def __init__(self, file: str, names: list[str], lines: list[list[str]]) -> None:
        self.file, self.names, self._lines, self.rows = file, names, lines, len(lines)

    @staticmethod
    def read(file: Path) -> "_Csv":
        try:
            names, *lines = csvtext.rows(file.read_bytes())
        except csvtext.OddCsv as error:
            raise NoTable(f"{file} is not a csv with a header and rows of its width: {error}") from error
        return _Csv(file.name, names, lines)

    def column(self, name: str) -> list[Any]:
        place = self.names.index(name)
        return [line[place] for line in self._lines]

    def take(self, rows: Sequence[int]) -> "_Csv":
        return _Csv(self.file, self.names, [self._lines[row] for row in rows])

    def without(self, names: Sequence[str]) -> "_Csv":
        places = [place for place, name in enumerate(self.names) if name not in names]
        return _Csv(self.file, [self.names[i] for i in places], [[line[i] for i in places] for line in self._lines])

    def called(self, file: Optional[str]) -> "_Csv":
        return _Csv(file, self.names, self._lines) if file and file.endswith(".csv") else self

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        with (folder / self.file).open("w", newline="", encoding="utf-8") as stream:
            stream.writelines(map(csvtext.line, [self.names, *self._lines]))


class _Npz:
    def __init__(self, file: str, arrays: dict[str, np.ndarray]) -> None:
        self.file, self._arrays, self.names = file, arrays, list(arrays)
        self.rows = len(next(iter(arrays.values())))

    @staticmethod
    def read(file: Path) -> "_Npz":
        try:
            with np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, BadZipFile) as error:
            raise NoTable(f"{file} cannot be read as npz without pickle: {error}") from error
        if not arrays or len({len(array) if array.ndim else -1 for array in arrays.values()}) != 1:
            raise NoTable(f"the arrays of {file} have different numbers of rows")
        return _Npz(file.name, arrays)

    def column(self, name: str) -> list[Any]:
        return self._arrays[name].tolist()

    def take(self, rows: Sequence[int]) -> "_Npz":
        picked = np.asarray(rows, dtype=np.int64)
        return _Npz(self.file, {name: array[picked] for name, array in self._arrays.items()})

    def without(self, names: Sequence[str]) -> "_Npz":
        return _Npz(self.file, {name: array for name, array in self._arrays.items() if name not in names})

    def called(self, file: Optional[str]) -> "_Npz":
        return _Npz(file, self._arrays) if file and file.endswith(".npz") else self

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        np.savez_compressed(folder / self.file, **self._arrays)


class _Arrow:
    def __init__(self, dataset: Any) -> None:
        self._dataset, self.names, self.rows = dataset, list(dataset.column_names), len(dataset)
        self.file = None

    @staticmethod
    def read(folder: Path) -> "_Arrow":
        try:
            from datasets import load_from_disk
        except ImportError as error:
            raise NoTable(f"{folder.name} is a saved dataset, which needs the Python package datasets") from error
        try:
            return _Arrow(load_from_disk(str(folder)))
        except (OSError, ValueError) as error:
            raise NoTable(f"{folder} cannot be read as a saved dataset: {error}") from error

    def column(self, name: str) -> list[Any]:
        return list(self._dataset[name])

    def take(self, rows: Sequence[int]) -> "_Arrow":
        return _Arrow(self._dataset.select(list(rows)))

    def without(self, names: Sequence[str]) -> "_Arrow":
        return _Arrow(self._dataset.remove_columns([name for name in names if name in self.names]))

    def called(self, file: Optional[str]) -> "_Arrow":
        return self

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        try:
            self._dataset.save_to_disk(str(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
