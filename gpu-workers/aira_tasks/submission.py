"""A program's submission, from its file to the bytes that evaluate.py reads.

Role: reads it once, for the check and for the evaluator. Non-role: its score (evaluate.py decides). Invariants:

1. The check and evaluate.py read the same bytes: the cells are written again in the one form that libraries read alike
   (csvtext.py).
2. A header that libraries may read differently is refused: names that occur twice, or differ only in case or spaces.
3. No missing or non-finite answer passes where the answers are numbers: some evaluators skip such rows, which
   rewards skipping the hard ones.
"""

import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from . import csvtext
from .answers import MISSING, NUMBER, PARTLY, are_numbers, kind, read_as_missing
from .failures import ProgramFailed
from .tables import Table

SUBMISSION = "submission.csv"
MOST_SUBMISSION_BYTES = 256 * 2**20


def plain_file(file: Path) -> bytes:
    """The bytes of a program's output file. Raises ProgramFailed unless it is a plain file within the size limit."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ProgramFailed("invalid", f"the program left no {SUBMISSION}") from error
    except OSError as error:
        raise ProgramFailed("tampered", f"{SUBMISSION} is not a plain file") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise ProgramFailed("tampered", f"{SUBMISSION} is not a plain file with one link")
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(MOST_SUBMISSION_BYTES + 1)
    if len(content) > MOST_SUBMISSION_BYTES:
        raise ProgramFailed("invalid", f"{SUBMISSION} is larger than {MOST_SUBMISSION_BYTES} bytes")
    return content


def rewritten(content: bytes) -> bytes:
    """The same cells in the form that is checked and scored. Raises ProgramFailed `invalid` for an odd file."""
    try:
        table = csvtext.rows(content)
        header = next(table)
        _require_plain_header(header)
        return "".join([csvtext.line(header), *map(csvtext.line, table)]).encode("utf-8")
    except csvtext.OddCsv as error:
        raise ProgramFailed("invalid", f"{SUBMISSION} is not a csv that all libraries read alike: {error}") from error


def require_numbers(content: bytes, columns: Sequence[str], answers: Table) -> None:
    """Raise ProgramFailed `nan` for a cell of `rewritten` bytes that is not a finite number where the answers are numbers.

    A column is checked if it has the name of such a scoring column, or its position if the header has different names and the
    same number of columns. If the column that evaluate.py reads is unknown, no column may contain a missing number.
    """
    numeric = [name for name in columns if name in answers.names and are_numbers(answers.column(name))]
    if not numeric:
        return
    table = csvtext.rows(content)
    header = next(table)
    named = [header.index(name) for name in numeric if name in header]
    placed = [columns.index(name) for name in numeric if name not in header and len(header) == len(columns)]
    strict = set(named + placed)
    rest = [] if len(strict) == len(numeric) else [place for place in range(len(header)) if place not in strict]
    for number, cells in enumerate(table, start=2):
        wrong = [cells[place] for place in sorted(strict) if kind(cells[place]) != NUMBER]
        wrong += [cells[place] for place in rest if read_as_missing(cells[place])]
        if wrong:
            raise ProgramFailed("nan", f"row {number} of {SUBMISSION} has {wrong[0][:40]!r}; finite numbers are needed")


def _require_plain_header(header: list[str]) -> None:
    names = Counter(name.strip().casefold() for name in header)
    twice = [name for name in header if names[name.strip().casefold()] > 1]
    if twice:
        raise ProgramFailed("invalid", f"the header of {SUBMISSION} has {twice[0][:40]!r} more than once")
    if any(kind(name) in (MISSING, PARTLY) and name.strip() for name in header):
        raise ProgramFailed("invalid", f"the header of {SUBMISSION} is a row of answers; name the columns in row 1")
