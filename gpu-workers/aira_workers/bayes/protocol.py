"""What the host may ask and how it is answered: JSON lines, one object each, version 1.

Out, once, at the start:  {"kind": "hello", "protocol": 1, "engine": "scikit-learn 1.2.1"}
In:   {"kind": "suggest", "id": int, "layers": int, "primitives": [str], "observations": [{"architecture": [str],
       "score": float}], "pending": [[str]], "candidates": [[str]], "seed": int}
Out:  {"kind": "suggestion", "id": int, "index": int, "expected": float, "std": float, "acquisition": float}
Out, to what is no valid request:  {"kind": "refused", "id": int or null, "message": str}
"""

import dataclasses
import json
from typing import Any

from ..errors import InvalidCandidate
from ..strict import parse

PROTOCOL = 1


class RefusedQuestion(Exception):
    """Thrown when a line is no valid request; `identity` is the id to answer to, if it has one. Never retry."""

    def __init__(self, message: str, identity: "int | None" = None) -> None:
        super().__init__(message)
        self.identity = identity


@dataclasses.dataclass(frozen=True)
class Observation:
    """One judged architecture; `score` is a fitness, higher is better."""

    architecture: list[str]
    score: float


@dataclasses.dataclass(frozen=True)
class Suggest:
    """The question: which of `candidates` next, given what was observed and what is still being evaluated?"""

    layers: int
    primitives: list[str]
    observations: list[Observation]
    pending: list[list[str]]
    candidates: list[list[str]]
    seed: int

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers must be at least 1, got {self.layers}")
        if not self.primitives or len(set(self.primitives)) != len(self.primitives):
            raise ValueError("primitives must be distinct and at least one")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be in [0, 2^32), got {self.seed}")
        if not self.observations or not self.candidates:
            raise ValueError("observations and candidates must not be empty")
        observed = [observation.architecture for observation in self.observations]
        for name, group in (("observations", observed), ("pending", self.pending), ("candidates", self.candidates)):
            for index, architecture in enumerate(group):
                self._check(f"{name}[{index}]", architecture)

    def _check(self, where: str, architecture: list[str]) -> None:
        if len(architecture) != self.layers:
            raise ValueError(f"{where}: expected {self.layers} layers, got {len(architecture)}")
        stranger = next((layer for layer in architecture if layer not in self.primitives), None)
        if stranger is not None:
            raise ValueError(f"{where}: {stranger!r} is none of {', '.join(self.primitives)}")


def read_request(line: str) -> tuple[int, Suggest]:
    """Return (id, question) of one line; raise RefusedQuestion, whose message names what is wrong with it."""
    try:
        message: Any = json.loads(line)
    except ValueError as error:
        raise RefusedQuestion(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise RefusedQuestion("a request is a JSON object")
    identity = message.get("id")
    if not isinstance(identity, int) or isinstance(identity, bool):
        raise RefusedQuestion("id: expected an int")
    if message.get("kind") != "suggest":
        raise RefusedQuestion(f"kind: expected 'suggest', got {message.get('kind')!r}", identity)
    question = {key: value for key, value in message.items() if key not in ("kind", "id")}
    try:
        return identity, parse(Suggest, question, "suggest")
    except InvalidCandidate as error:
        raise RefusedQuestion(str(error), identity) from error
