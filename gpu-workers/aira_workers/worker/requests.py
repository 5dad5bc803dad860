"""Requests of protocol version 1, parsed strictly from one line each.

    {"op":"evaluate","id":"r1","proxy":{settings},"space":{"layers":16,"primitives":["M","mA","Mb"]},
     "population":[{"key":"...","architecture":["mA","M",...],"seed":7,"measure":"validation"|"test"}]}
    {"op":"cancel","id":"r1"}
    {"op":"shutdown"}

The envelope (everything but `proxy` and each `architecture`) must be well formed, else UnreadableRequest. Settings and
architectures are judged per candidate later, so that a bad one is answered under its key.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal, Union

from aira_primitives.bind import register, require_known

from ..errors import InvalidCandidate, UnreadableRequest
from ..proxies import Candidate
from ..strict import parse

_LARGEST_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps


@dataclass(frozen=True)
class Space:
    """Which architectures are allowed: `layers` tokens out of `primitives`."""

    layers: int
    primitives: list[str]


@dataclass(frozen=True)
class Member:
    """One candidate of a population under the host's opaque `key`."""

    key: str
    architecture: list[str]
    seed: int
    measure: Literal["validation", "test"]

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ValueError(f"seed must be between 0 and {_LARGEST_SEED}, got {self.seed}")


@dataclass(frozen=True)
class Evaluate:
    id: str
    proxy: dict[str, Any]
    space: Space
    population: tuple[Member, ...]


@dataclass(frozen=True)
class Cancel:
    id: str


@dataclass(frozen=True)
class Shutdown:
    pass


Request = Union[Evaluate, Cancel, Shutdown]


@dataclass(frozen=True)
class _EvaluateLine:
    op: str
    id: str
    space: Space
    population: list[Member]


@dataclass(frozen=True)
class _CancelLine:
    op: str
    id: str


@dataclass(frozen=True)
class _ShutdownLine:
    op: str


def parse_request(line: str) -> Request:
    """Return the request that `line` spells; raise UnreadableRequest saying what is wrong with it."""
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableRequest(f"the line is not JSON: {error}") from error
    op = value.get("op") if isinstance(value, dict) else None
    try:
        if op == "evaluate":
            return _evaluate(value)
        if op == "cancel":
            return Cancel(parse(_CancelLine, value, "cancel").id)
        if op == "shutdown":
            parse(_ShutdownLine, value, "shutdown")
            return Shutdown()
    except InvalidCandidate as error:
        raise UnreadableRequest(str(error)) from error
    raise UnreadableRequest(f"op must be evaluate, cancel or shutdown, got {op!r}")


def _evaluate(value: dict[str, Any]) -> Evaluate:
    if not isinstance(value.get("proxy"), dict):
        raise UnreadableRequest("evaluate: proxy must be an object of settings")
    envelope = {key: part for key, part in value.items() if key != "proxy"}
    line = parse(_EvaluateLine, envelope, "evaluate")
    keys = [member.key for member in line.population]
    if len(set(keys)) != len(keys):
        raise UnreadableRequest("evaluate: two members of the population have the same key")
    return Evaluate(line.id, value["proxy"], line.space, tuple(line.population))


def candidate_of(member: Member, space: Space) -> Candidate:
    """Return the member as a candidate of `space`; raise InvalidCandidate naming the first thing that does not fit.

    The primitives of its layers, and no others, are known to `StackModel` afterwards.
    """
    require_known(space.primitives)
    if len(member.architecture) != space.layers or space.layers < 1:
        raise InvalidCandidate(f"the architecture has {len(member.architecture)} layers; the space asks {space.layers}")
    for depth, token in enumerate(member.architecture):
        if token not in space.primitives:
            raise InvalidCandidate(f"layer {depth} is {token!r}; the space allows {', '.join(space.primitives)}")
    register(member.architecture)
    return Candidate(tuple(member.architecture), member.seed, member.measure)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
