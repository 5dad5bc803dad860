"""Rows of delimited files and lines of JSON, with the number of the line each begins in."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .findings import Wrong

_STRAY = ("\udc80", "\udcff")  # what a byte that is not UTF-8 becomes

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


def is_utf8(text: str) -> bool:
    return not any(_STRAY[0] <= letter <= _STRAY[1] for letter in text) if not text.isascii() else True


def delimited(file: Path, delimiter: str, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) without blank lines. Raises Wrong for an open quote or a NUL."""
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as stream:
        reader = csv.reader(stream, delimiter=delimiter, quoting=quoting, strict=True)
        while True:
            begins = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise Wrong(file, begins, _explain(str(error)), "correct that line, then import again") from error
            if cells:
                if any("\0" in cell for cell in cells):
                    raise Wrong(
                        file, begins, "contains a NUL byte", "export the file as text in UTF-8, then import again"
                    )
                yield begins, cells


def json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line, value). Raises Wrong for a line that is not JSON in UTF-8."""
    remedy = "write one JSON value per line, in UTF-8"
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                raise Wrong(file, number, f"is not UTF-8 at byte {error.start + 1} of the line", remedy) from error
            except (ValueError, RecursionError) as error:
                problem = "is empty" if not line.strip() else "is not JSON"
                raise Wrong(file, number, problem, remedy) from error


def _explain(error: str) -> str:
    if "unexpected end of data" in error:
        return "opens a quote and never closes it"
    if "NUL" in error:
        return "contains a NUL byte"
    return f"cannot be read as delimited text: {error}"
