"""The published files of the Long Range Arena as `aira_design.lra.files` reads them, within the limits of its models."""

from pathlib import Path

from aira_design.lra.listops import encode

from .findings import Column, Found, Wrong
from .rows import delimited, is_utf8

_CLASSES = 10


def listops(folder: Path, files: list[Path], found: Found) -> None:
    for name in ("train", "val", "test"):
        file = folder / f"basic_{name}.tsv"
        rows = delimited(file, "\t")
        _, header = next(rows, (1, []))
        for wanted in ("Source", "Target"):
            if wanted not in header:
                raise Wrong(file, 1, f"has no column {wanted}", "add the header Source, Target")
        source, target = header.index("Source"), header.index("Target")
        columns, count = [Column("Source"), Column("Target")], 0
        for number, cells in rows:
            if len(cells) != len(header):
                raise Wrong(file, number, f"has {_fields(cells)} where the header has {len(header)}", _CORRECT)
            try:
                length = len(encode(cells[source]))
            except KeyError as error:
                raise Wrong(
                    file, number, f"contains {str(error)[:40]}, which is not a symbol of ListOps", _CORRECT
                ) from error
            if length == 0:
                raise Wrong(file, number, "has no expression", _CORRECT)
            if not cells[target].strip().isdecimal() or int(cells[target]) >= _CLASSES:
                raise Wrong(file, number, f"has the value {cells[target][:40]!r}, which is not a digit", _CORRECT)
            columns[0].add(cells[source])
            columns[1].add(cells[target])
            count += 1
        _finish(file, count, columns, found)
    _others(files, {f"basic_{name}.tsv" for name in ("train", "val", "test")}, found)


def aan(folder: Path, files: list[Path], found: Found) -> None:
    names = ["label", "id1", "id2", "text1", "text2"]
    for name in ("train", "eval", "test"):
        file = folder / f"new_aan_pairs.{name}.tsv"
        columns, count = [Column(each) for each in names], 0
        for number, cells in delimited(file, "\t", quoted=False):
            if len(cells) != len(names):
                raise Wrong(file, number, f"has {_fields(cells)}; {', '.join(names)} are expected", _CORRECT)
            if cells[0] not in ("0", "1", "0.0", "1.0"):
                raise Wrong(file, number, f"has the label {cells[0][:40]!r}, which is neither 0 nor 1", _CORRECT)
            if not all(is_utf8(cell) for cell in cells[3:]):
                raise Wrong(file, number, "is not UTF-8", "store the file as UTF-8, then import again")
            for column, cell in zip(columns, cells):
                column.add(cell)
            count += 1
        _finish(file, count, columns, found)
    _others(files, {f"new_aan_pairs.{name}.tsv" for name in ("train", "eval", "test")}, found)


def imdb(folder: Path, files: list[Path], found: Found) -> None:
    for split in ("train", "test"):
        for label in ("pos", "neg"):
            place = folder / split / label
            reviews = sorted(place.glob("*.txt"))
            if not reviews:
                raise Wrong(place, None, "contains no review (*.txt)", "name the folder as it was published")
            empty = next((review for review in reviews if review.stat().st_size == 0), None)
            if empty is not None:
                raise Wrong(empty, None, "is empty", "copy the review again from its source")
            stray = sum(not _decodes(review) for review in reviews)
            if stray:
                found.note(f"{stray} reviews of {split}/{label} are not UTF-8; they are read as bytes")
            found.documents += len(reviews)


_CORRECT = "correct or remove that line"


def _decodes(file: Path) -> bool:
    try:
        file.read_bytes().decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def _fields(cells: list[str]) -> str:
    return f"{len(cells)} field{'' if len(cells) == 1 else 's'}"


def _finish(file: Path, rows: int, columns: list[Column], found: Found) -> None:
    if rows == 0:
        raise Wrong(file, None, "has no rows", "copy the file again from its source")
    found.table(file.name, rows, "UTF-8", columns)


def _others(files: list[Path], read: set, found: Found) -> None:
    for file in files:
        if file.name not in read:
            found.note(f"{file.name} is not read by any trainer")
