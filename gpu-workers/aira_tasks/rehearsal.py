"""Submissions whose score is known in advance, and hidden rows made of training rows, for the check of a task.

Trusted code. It reads folders that a task's own scripts wrote, never a candidate's.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from . import csvtext
from .answers import are_numbers
from .tables import NoTable, Table, read_table

Draw = Callable[[int], Sequence[int]]
"""An order of N rows."""

Header = Optional[Sequence[str]]

_SHARE = 0.2  # of the rows, in the partly permuted submission
_SEED = 20


def scoring_columns(value: Any) -> list[str]:
    """The names in `scoring_column` of the metadata: a text, a list, or texts joined by commas."""
    names = value if isinstance(value, list) else str(value).split(",")
    return [str(name).strip() for name in names]


def submissions(labelled: Path, columns: Sequence[str], header: Header, out: Path) -> dict[str, Any]:
    """Write the answers as a submission, then its variants; return what `variants` returns. Raises NoTable."""
    table = read_table(labelled)
    missing = [name for name in columns if name not in table.names]
    if missing:
        raise NoTable(f"{labelled} has no column {missing[0]}; there are {', '.join(table.names)}")
    rows = zip(*(table.column(name) for name in columns))
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "answers.csv", columns, [[_cell(value) for value in row] for row in rows])
    return variants(out / "answers.csv", header, out)


def variants(gold: Path, header: Header, out: Path) -> dict[str, Any]:
    """Write gold.csv, the submission `gold`, and variants that must score worse than it or be refused.

    Columns get the names of `header`, which the description shows, if their number is equal. Returns the original names,
    the number of rows, and whether all cells are numbers. permuted-part.csv has a fifth of the rows permuted, permuted.csv all,
    permuted-again.csv all in another order; nan.csv has NaN everywhere, short.csv lacks the last row. Raises NoTable.
    """
    try:
        had, *rows = csvtext.rows(gold.read_bytes())
    except csvtext.OddCsv as error:
        raise NoTable(f"{gold} is not a csv: {error}") from error
    if len(rows) < 2:
        raise NoTable(f"{gold} has {len(rows)} rows, too few to permute any")
    rng = np.random.default_rng(_SEED)
    some = rng.choice(len(rows), max(2, round(_SHARE * len(rows))), replace=False)
    part = list(range(len(rows)))
    for row, other in zip(some, _derangement(rng, some)):
        part[row] = other
    everything, again = (_derangement(rng, np.arange(len(rows))) for _ in range(2))
    names = header if header and len(header) == len(had) else had
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "gold.csv", names, rows)
    _write(out / "permuted-part.csv", names, [rows[row] for row in part])
    _write(out / "permuted.csv", names, [rows[row] for row in everything])
    _write(out / "permuted-again.csv", names, [rows[row] for row in again])
    _write(out / "nan.csv", names, [[_nan(cell) for cell in row] for row in rows])
    _write(out / "short.csv", names, rows[:-1])
    return {"header": had, "rows": len(rows), "numbers": all(are_numbers(column) for column in zip(*rows))}


def hold_out(
    agent: Path, columns: Sequence[str], share: float, draw: Draw, labels: Optional[str], out: Path
) -> dict[str, Any]:
    """Write out/data/{train,test} as an agent sees them and out/labelled/test_with_labels, all from training rows.

    So a task's own evaluate.py yields a validation score without reading the hidden rows. The first rows of the order that
    `draw` returns are hidden; both parts are in that order. `labels` is the name of the file with the answers.
    Raises NoTable if train or test are not tables, or the scoring columns are not in train.
    """
    train, test = read_table(agent / "train"), read_table(agent / "test")
    for name in columns:
        if train.names.count(name) != 1:
            many = "no column" if name not in train.names else "more than one column"
            raise NoTable(f"the training split has {many} {name}, so no validation rows can be held out of it")
    count = max(1, round(share * train.rows))
    if count >= train.rows:
        raise NoTable(f"the training split has {train.rows} rows, too few to hold any out")
    order = draw(train.rows)
    train.take(order[count:]).save(out / "data" / "train")
    rows: Table = train.take(order[:count])
    asked = rows.without([name for name in rows.names if name not in test.names])
    asked.called(test.file).save(out / "data" / "test")
    rows.called(labels).save(out / "labelled" / "test_with_labels")
    return {"train": train.rows - count, "validation": count}


def visible_answers(agent: Path, labelled: Path, columns: Sequence[str]) -> list[str]:
    """Answers that an agent could see in its folder, one sentence each; empty if there are none."""
    found = []
    for path in sorted(agent.rglob("*")):
        name = path.relative_to(agent).as_posix()
        if "test_with_labels" in name or "gold_submission" in name:
            found.append(f"{name} is in the agent's folder")
        if path.is_symlink():
            found.append(f"{name} in the agent's folder is a link")
    try:
        test = read_table(agent / "test")
    except NoTable:
        return found
    found.extend(f"the column {name} is in the agent's test split" for name in columns if name in test.names)
    try:
        answers = read_table(labelled / "test_with_labels")
    except NoTable:
        return found
    for name in columns:
        if name not in answers.names:
            continue
        hidden = [_cell(value) for value in answers.column(name)]
        if len(set(hidden)) < 2:
            continue
        for other in test.names:
            if test.rows == answers.rows and [_cell(value) for value in test.column(other)] == hidden:
                found.append(f"the column {other} of the agent's test split contains the answers of {name}")
    return found


def _derangement(rng: np.random.Generator, rows: np.ndarray) -> list[int]:
    """A random order of the rows in which none keeps its place."""
    order = rng.permutation(len(rows))
    turned = np.empty(len(rows), dtype=np.int64)
    turned[order] = rows[np.roll(order, 1)]
    return turned.tolist()


def _cell(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def _nan(cell: str) -> str:
    """NaN in the form of `cell`: for a JSON list, a list of equal length."""
    try:
        value = json.loads(cell) if cell.startswith("[") else None
    except ValueError:
        value = None
    return json.dumps([math.nan] * len(value)) if isinstance(value, list) else "nan"


def _write(file: Path, columns: Sequence[str], rows: list[list[str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        stream.writelines(map(csvtext.line, [columns, *rows]))
