"""Parse plain JSON values into frozen dataclasses, strictly.

An unknown key, a missing key, a wrong type, a NaN or an infinity is an error that names the path. Nothing is coerced
except an int where a float is wanted.
"""

import dataclasses
import difflib
import math
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from .errors import InvalidCandidate

T = TypeVar("T")


def parse(kind: type[T], value: Any, path: str = "settings") -> T:
    """Return `value` as an instance of the dataclass `kind`; raise InvalidCandidate naming the offending path."""
    if not isinstance(value, dict):
        raise InvalidCandidate(f"{path}: expected an object, got {_describe(value)}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(fields)}"
            raise InvalidCandidate(f"{path}: unknown key {key!r}{hint}")
    hints = typing.get_type_hints(kind)
    parsed = {}
    for name in fields:
        if name not in value:
            raise InvalidCandidate(f"{path}: missing key {name!r}")
        parsed[name] = parse_as(hints[name], value[name], f"{path}.{name}")
    try:
        return kind(**parsed)
    except ValueError as error:
        raise InvalidCandidate(f"{path}: {error}") from error


def parse_tagged(tag: str, kinds: Mapping[str, type[T]], value: Any) -> T:
    """Return `value` as an instance of the one of `kinds` that its key `tag` names; raise InvalidCandidate likewise."""
    kind = value.get(tag) if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise InvalidCandidate(f"settings.{tag}: expected one of {', '.join(kinds)}, got {kind!r}")
    return parse(kinds[kind], value)


def parse_as(kind: Any, value: Any, path: str) -> Any:
    """Return `value` checked against one type hint: dataclass, Literal, list[...], int, float, bool or str."""
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return parse(kind, value, path)
    if origin is typing.Literal:
        allowed = typing.get_args(kind)
        if value not in allowed or isinstance(value, bool) != isinstance(allowed[0], bool):
            raise InvalidCandidate(f"{path}: expected one of {', '.join(map(repr, allowed))}, got {_describe(value)}")
        return value
    if origin in (list, list):
        if not isinstance(value, list):
            raise InvalidCandidate(f"{path}: expected a list, got {_describe(value)}")
        (item,) = typing.get_args(kind)
        return [parse_as(item, element, f"{path}[{index}]") for index, element in enumerate(value)]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and number and _is_finite(value):
        return float(value)
    if kind is int and number and isinstance(value, int):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    raise InvalidCandidate(f"{path}: expected {getattr(kind, '__name__', kind)}, got {_describe(value)}")


def positive(owner: Any, *names: str) -> None:
    """Raise ValueError unless every named field of `owner` is above zero."""
    for name in names:
        if not getattr(owner, name) > 0:
            raise ValueError(f"{name} must be above 0, got {getattr(owner, name)}")


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _describe(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
