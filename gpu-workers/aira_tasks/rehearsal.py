"""Submissions whose score is known in advance, and hidden rows made of training rows: what checking a task needs.

Trusted code of the laboratory. It reads folders that a task's own scripts wrote, never a candidate's.
"""

import csv
import json
import math
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from .tables import NoTable, Table, read_table

_SHARE = 0.2  # of the rows, in the partly permuted submission
_SEED = 20


def scoring_columns(value: Any) -> List[str]:
    """The names in `scoring_column` of the metadata: a text, a list, or texts joined by commas."""
    names = value if isinstance(value, list) else str(value).split(",")
    return [str(name).strip() for name in names]


def submissions(labelled: Path, columns: Sequence[str], out: Path) -> Dict[str, int]:
    """Write gold.csv and what must score worse or be refused; return {"rows": n}. Raises NoTable.

    permuted-part.csv has a fifth of the rows exchanged among each other, permuted.csv all; nan.csv says NaN everywhere,
    short.csv lacks the last row.
    """
    table = read_table(labelled)
    missing = [name for name in columns if name not in table.names]
    if missing:
        raise NoTable(f"{labelled} has no column {missing[0]}; there are {', '.join(table.names)}")
    values = [list(row) for row in zip(*(table.column(name) for name in columns))]
    gold = [[_cell(value) for value in row] for row in values]
    rng = np.random.default_rng(_SEED)
    some = rng.choice(len(gold), max(2, round(_SHARE * len(gold))), replace=False)
    part = list(range(len(gold)))
    for row, other in zip(some, _derangement(rng, some)):
        part[row] = other
    everything = _derangement(rng, np.arange(len(gold)))
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "gold.csv", columns, gold)
    _write(out / "permuted-part.csv", columns, [gold[row] for row in part])
    _write(out / "permuted.csv", columns, [gold[row] for row in everything])
    _write(out / "nan.csv", columns, [[_nan(value) for value in row] for row in values])
    _write(out / "short.csv", columns, gold[:-1])
    return {"rows": len(gold)}


def hold_out(agent: Path, columns: Sequence[str], share: float, seed: int, out: Path) -> Dict[str, Any]:
    """Write out/data/{train,test,...} as an agent sees them and out/labelled/test_with_labels, all from training rows.

    So a task's own evaluate.py gives a validation figure, and the hidden rows are not looked at. Every further folder of
    the agent's data but `test` comes along. Raises NoTable when the training split is no table or lacks the columns.
    """
    train = read_table(agent / "train")
    missing = [name for name in columns if name not in train.names]
    if missing:
        raise NoTable(f"the training split has no column {missing[0]}, so no validation rows can be held out of it")
    order = np.random.default_rng([_SEED, seed]).permutation(train.rows)
    held = max(1, round(share * train.rows))
    if held >= train.rows:
        raise NoTable(f"the training split has {train.rows} rows, too few to hold any out")
    hidden, kept = sorted(order[:held].tolist()), sorted(order[held:].tolist())
    test_names = _test_columns(agent, train, columns)
    train.take(kept).save(out / "data" / "train")
    rows: Table = train.take(hidden)
    rows.without([name for name in rows.names if name not in test_names]).save(out / "data" / "test")
    rows.save(out / "labelled" / "test_with_labels")
    return {"train": len(kept), "validation": held}


def visible_answers(agent: Path, labelled: Path, columns: Sequence[str]) -> List[str]:
    """What of the answers an agent could see in its folder: sentences, none when all is well."""
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
                found.append(f"the column {other} of the agent's test split holds the answers of {name}")
    return found


def _test_columns(agent: Path, train: Table, columns: Sequence[str]) -> List[str]:
    try:
        return read_table(agent / "test").names
    except NoTable:
        return [name for name in train.names if name not in columns]


def _derangement(rng: np.random.Generator, rows: np.ndarray) -> List[int]:
    """The rows in an order in which none stays where it was."""
    order = rng.permutation(len(rows))
    turned = np.empty(len(rows), dtype=np.int64)
    turned[order] = rows[np.roll(order, 1)]
    return turned.tolist()


def _cell(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def _nan(value: Any) -> str:
    """NaN in the form of `value`: for a list, given as such or as JSON, a list of as many."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return "nan"
    return json.dumps([math.nan] * len(value)) if isinstance(value, list) else "nan"


def _write(file: Path, columns: Sequence[str], rows: List[List[str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([list(columns), *rows])
