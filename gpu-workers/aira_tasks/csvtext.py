"""CSV as the csv module and pandas read it, and one form that both read alike.

Role: bytes of a file to a header and rows, and back. Non-role: what the cells mean (answers.py). Invariants:

1. No limits on fields. A line ends with LF, CR or CRLF and nothing else (U+2028 and a form feed are text); a byte order mark
   and blank lines are ignored; short rows end with empty cells.
2. A file that the two libraries read differently or not at all is refused, with the row:
   rows longer than the header, a quote that is never closed, NUL, bytes that are not UTF-8.
3. What `line` writes, both read as these cells: cells that one of them would trim, split or skip are quoted.
"""

import csv
import io
import sys
from collections.abc import Iterator, Sequence

csv.field_size_limit(sys.maxsize)

_BLANK = b" \t\r\n"


class OddCsv(ValueError):
    """Raised when a file is not a csv, or libraries read it differently; one sentence without the file's name."""


def rows(content: bytes) -> Iterator[list[str]]:
    """Yield the header, then each row with as many cells as the header. Raises OddCsv."""
    if b"\0" in content:
        raise OddCsv("it contains NUL characters")
    header: list[str] = []
    cells: list[str] = []
    number = 0
    try:
        for cells in csv.reader(_lines(_without_blank_end(content))):
            if not cells:
                continue
            number += 1
            header = header or cells
            if len(cells) > len(header):
                raise OddCsv(f"row {number} has {len(cells)} cells; the header has {len(header)}")
            yield cells + [""] * (len(header) - len(cells))
    except UnicodeDecodeError as error:
        raise OddCsv(f"it is not UTF-8 ({error.reason} after row {number})") from error
    except csv.Error as error:
        raise OddCsv(f"row {number + 1}: {error}") from error
    if cells:
        raise OddCsv(f"row {number} opens a quote that is never closed")
    if not header:
        raise OddCsv("it has no header")


def line(cells: Sequence[str]) -> str:
    """One row, with its line feed."""
    return ",".join(_quoted(cell) for cell in cells) + "\n"


def _lines(content: bytes) -> Iterator[str]:
    yield from io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    # A blank line is the last record, unless an open quote includes it.
    yield "\n"


def _without_blank_end(content: bytes) -> bytes:
    """Without trailing lines of spaces only, which pandas skips."""
    filled = len(content.rstrip(_BLANK))
    ends = [place for place in (content.find(b"\n", filled), content.find(b"\r", filled)) if place >= 0]
    return content[: min(ends)] if ends else content


def _quoted(cell: str) -> str:
    if cell == "" or cell != cell.strip() or any(mark in cell for mark in '",\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
