"""Raw data of tasks of other harnesses. Their scripts decide what they read, so only a file that no reader can read is wrong."""

import gzip
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .findings import Column, Found, Wrong
from .parquet import open_parquet
from .rows import delimited, is_utf8, json_lines

_AGAIN = "copy the file again from its source"
_DELIMITERS = ",\t;|"
# If at most this share of the rows differs from the header's width, the rows are wrong and not the delimiter.
_MOST_ODD = 0.1


def raw(folder: Path, files: list[Path], found: Found) -> None:
    for file in files:
        reader = _READERS.get(file.suffix.lower())
        if reader is None:
            found.documents += file.suffix.lower() == ".txt"
        elif file.stat().st_size == 0:
            raise Wrong(file, None, "is empty", "remove it, or " + _AGAIN)
        else:
            reader(file, file.relative_to(folder).as_posix(), found)


def _table(file: Path, name: str, found: Found) -> None:
    with file.open("rb") as stream:
        first = stream.readline(2**20).decode("utf-8", "replace")
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(_DELIMITERS, key=first.count)
    try:
        _rows(file, name, delimiter, found)
    except Wrong as wrong:
        # Readers differ in how they treat quotes inside a cell.
        if not wrong.problem.startswith("cannot be read as delimited"):
            raise
        found.note(f"{name} line {wrong.row} {wrong.problem}")


def _rows(file: Path, name: str, delimiter: str, found: Found) -> None:
    rows = delimited(file, delimiter)
    _, header = next(rows, (1, []))
    columns, count, short, long, stray = [Column(each) for each in header], 0, 0, [], None
    for number, cells in rows:
        count += 1
        short += len(cells) < len(header)
        if len(cells) > len(header):
            long.append((number, len(cells)))
        if stray is None and not all(is_utf8(cell) for cell in cells):
            stray = number
        for column, cell in zip(columns, cells):
            column.add(cell)
        for column in columns[len(cells) :]:
            column.nulls += 1
    if not header:
        raise Wrong(file, None, "contains only blank lines", "remove it, or " + _AGAIN)
    if long and len(long) + short <= _MOST_ODD * count:
        number, width = long[0]
        raise Wrong(
            file, number, f"has {width} fields where the header has {len(header)}", "correct or remove that line"
        )
    if long or short:
        found.note(f"{name}: {len(long) + short} of {count} rows differ from the first in their number of fields")
    if stray is not None:
        found.note(f"{name} is not UTF-8, at line {stray} first")
    found.table(name, count, "UTF-8" if stray is None else "not UTF-8", columns)


def _lines(file: Path, name: str, found: Found) -> None:
    columns, count = {}, 0
    for _, value in json_lines(file):
        if isinstance(value, dict):
            for key, cell in value.items():
                columns.setdefault(key, Column(key)).add(cell)
        count += 1
    found.table(name, count, "UTF-8", list(columns.values()))


def _json(file: Path, name: str, found: Found) -> None:
    content = file.read_bytes()
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Wrong(file, line, "is not UTF-8", "store the file as UTF-8, then import again") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            _lines(file, name, found)  # JSON lines under the shorter name
            return
        raise Wrong(file, error.lineno, f"is not JSON: {error.msg}", _AGAIN) from error
    except RecursionError as error:
        raise Wrong(file, None, "is nested too deeply to be read", "flatten the data") from error
    found.table(name, len(value) if isinstance(value, list) else 1, "UTF-8", [])


def _arrays(file: Path, name: str, found: Found) -> None:
    try:
        if file.suffix.lower() == ".npy":
            array = np.load(file, allow_pickle=False, mmap_mode="r")
            found.table(name, len(array) if array.ndim else 1, str(array.dtype), [])
            return
        with np.load(file, allow_pickle=False) as stored:
            columns, rows = [], 0
            for key in stored.files:
                array = stored[key]
                rows = max(rows, len(array) if array.ndim else 1)
                column = Column(key)
                column.add(array.ravel()[0].item() if array.size else None)
                if array.dtype.kind == "f":
                    column.nulls = int(np.isnan(array).sum())
                columns.append(column)
        found.table(name, rows, "npz", columns)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            found.note(f"{name} contains Python objects, which are not inspected")
            return
        raise Wrong(file, None, f"cannot be read as arrays: {str(error)[:200]}", _AGAIN) from error


def _parquet(file: Path, name: str, found: Found) -> None:
    table = open_parquet(file)
    if table is None:
        found.note(f"{name} was not inspected: this Python has no pyarrow")
        return
    rows, columns = 0, [Column(each) for each in table.schema_arrow.names]
    try:
        for group in range(table.num_row_groups):
            read = table.read_row_group(group)
            rows += read.num_rows
            for column, values in zip(columns, read.columns):
                column.nulls += values.null_count
                column.add(next((value for value in values.to_pylist() if value is not None), None))
    except Exception as error:
        raise Wrong(file, None, f"is not a readable parquet file: {str(error)[:200]}", _AGAIN) from error
    found.table(name, rows, "parquet", columns)


def _gzip(file: Path, name: str, found: Found) -> None:
    try:
        with gzip.open(file) as stream:
            while stream.read(2**20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise Wrong(file, None, f"is not a complete gzip file: {error}", _AGAIN) from error


def _zip(file: Path, name: str, found: Found) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
    except (OSError, RuntimeError, zipfile.BadZipFile, NotImplementedError, zlib.error) as error:
        raise Wrong(file, None, f"is not a readable zip file: {error}", _AGAIN) from error
    if broken is not None:
        raise Wrong(file, None, f"is damaged at its member {broken[:80]!r}", _AGAIN)


_READERS = {
    ".csv": _table, ".tsv": _table, ".jsonl": _lines, ".ndjson": _lines, ".json": _json, ".npz": _arrays, ".npy": _arrays,
    ".parquet": _parquet, ".gz": _gzip, ".zip": _zip,
}  # fmt: skip
