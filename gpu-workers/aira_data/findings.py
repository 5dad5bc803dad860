"""The findings of an inspection."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

_MOST_TABLES, _MOST_NOTES, _LONGEST = 64, 16, 80
_NULLS = {"", "na", "n/a", "nan", "null", "none", "?"}


class Wrong(Exception):
    """Raised for a file that no trainer can read as it is; names the file, the row and the remedy."""

    def __init__(self, file: Path, row: Optional[int], problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.file, self.row, self.problem, self.remedy = file, row, problem, remedy


class Column:
    """One column of a table: the type of its cells, and the number of empty ones."""

    def __init__(self, name: str) -> None:
        self.name, self.nulls = name, 0
        self._types: dict[str, int] = {}

    def add(self, cell: Any) -> None:
        kind = _type(cell)
        if kind == "null":
            self.nulls += 1
        else:
            self._types[kind] = self._types.get(kind, 0) + 1

    def as_json(self) -> dict[str, Any]:
        kinds = set(self._types)
        numbers = kinds <= {"integer", "number"}
        kind = (
            "empty"
            if not kinds
            else "number"
            if numbers and len(kinds) > 1
            else kinds.pop()
            if len(kinds) == 1
            else "text"
        )
        return {"name": self.name[:_LONGEST], "type": kind, "nulls": self.nulls}


@dataclass
class Found:
    files: int
    bytes: int
    documents: int = 0
    tables: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self, file: str, rows: int, encoding: str, columns: list[Column]) -> None:
        if len(self.tables) < _MOST_TABLES:
            described = [column.as_json() for column in columns[:_MOST_TABLES]]
            self.tables.append({"file": file, "rows": rows, "encoding": encoding, "columns": described})

    def note(self, text: str) -> None:
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def _type(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "null"
    if isinstance(cell, bool):
        return "truth"
    if isinstance(cell, int):
        return "integer"
    if isinstance(cell, float):
        return "number"
    if not isinstance(cell, str):
        return "list" if isinstance(cell, (list, tuple, dict)) else type(cell).__name__
    text = cell.strip()
    if text.lower() in _NULLS:
        return "null"
    try:
        int(text)
        return "integer"
    except ValueError:
        pass
    try:
        float(text)
        return "number"
    except ValueError:
        pass
    if text[0] in "[{":
        try:
            json.loads(text)
            return "list"
        except (ValueError, RecursionError):
            pass
    return "text"
