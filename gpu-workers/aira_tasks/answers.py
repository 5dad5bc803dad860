"""Whether answers are numbers, and whether a cell is one.

The answers decide, not their spelling alone: in a column of words "nan", "NA" and "null" are words; in a column of
numbers "nan" and an empty cell are missing numbers.
"""

import json
import math
import re
from collections.abc import Iterable
from numbers import Real
from typing import Any

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE | re.ASCII)
# What pandas reads as missing by default.
_MISSING_WORDS = frozenset(
    (
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    )  # fmt: skip
)
NUMBER, MISSING, PARTLY, TEXT = "number", "missing", "partly missing", "text"


def kind(value: Any) -> str:
    """NUMBER for a finite number or a list of them, MISSING or PARTLY if all or some are not finite, TEXT otherwise.

    A text is parsed first: it may be a number or a JSON list of numbers.
    """
    if isinstance(value, str):
        return _kind_of_text(value.strip())
    if value is None:
        return MISSING
    if isinstance(value, (list, tuple)):
        return _kind_of_list(value)
    if isinstance(value, Real) and not isinstance(value, bool):
        return NUMBER if math.isfinite(value) else MISSING
    return TEXT


def are_numbers(values: Iterable[Any]) -> bool:
    """Whether every answer that is not missing is a number, or a list of numbers."""
    kinds = set()
    for value in values:
        kinds.add(kind(value))
        if TEXT in kinds:
            return False
    return bool(kinds & {NUMBER, PARTLY})


def read_as_missing(cell: str) -> bool:
    """Whether a library may read this cell, or a part of it, as missing."""
    return cell.strip() in _MISSING_WORDS or kind(cell) in (MISSING, PARTLY)


def _kind_of_text(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return NUMBER if math.isfinite(float(text)) else MISSING
    if text == "" or _NOT_FINITE.fullmatch(text):
        return MISSING
    if not text.startswith("["):
        return TEXT
    try:
        return _kind_of_list(json.loads(text))
    except (ValueError, RecursionError):
        return TEXT


def _kind_of_list(values: Any) -> str:
    # A text within a list is text, even if it spells a number.
    kinds = {TEXT if isinstance(value, str) else kind(value) for value in values}
    if TEXT in kinds:
        return TEXT
    if kinds == {NUMBER}:
        return NUMBER
    return PARTLY if kinds & {NUMBER, PARTLY} else MISSING
