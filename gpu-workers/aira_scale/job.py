"""A training as one strict JSON object. Every key is required, an unknown key is an error, nothing has a default.

    {"v": 1,
     "model": {"family": "llama" | "nemotron", "pattern": ["mA", "M", ...], "vocabulary": 257,
               "shape": {the keys of shapes.Shape}},
     "data": {"folder": "/data/web", "digest": "<64 hex: the digest of its index.json>"},
     "schedule": {"sequence": 256, "batch_tokens": 8192, "warmup": 20, "decay": 0.2,
                  "budgets": [{"name": "c1", "steps": 100}, ...]},
     "optimiser": {"lr": 0.01, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.95, "momentum": 0.95, "clip": 1.0},
     "precision": "float32" | "bfloat16",
     "validation_sequences": 64,
     "seed": 1,
     "machine": {"device": "cpu" | "cuda", "threads": 1, "micro_batch": 8, "parallel": "none" | "ddp" | "fsdp",
                 "checkpoint_seconds": 600, "peak_flops": 0}}

`steps` of a budget counts from the first step of the run and includes its own decay. `micro_batch` is in sequences per device;
`peak_flops` is the device's, for the MFU, 0 where unknown. `identity` is the digest of all that decides the losses: everything
but `machine` and the folder's place, and the digests of the user's primitives in the pattern.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from aira_primitives.own import own
from aira_workers.errors import InvalidCandidate
from aira_workers.strict import parse, positive

from .model import ModelSpec
from .shapes import PRIMITIVES

PROTOCOL_VERSION = 1
LARGEST_JOB = 1 << 20  # bytes
LARGEST_SEED = 2**53 - 1
MOST_BUDGETS = 64


@dataclass(frozen=True)
class DataSpec:
    folder: str
    digest: str


@dataclass(frozen=True)
class Budget:
    name: str
    steps: int

    def __post_init__(self) -> None:
        positive(self, "steps")
        if (
            not self.name
            or len(self.name) > 64
            or not all(c.isalnum() or c in "-_." for c in self.name)
            or self.name[0] == "."
        ):
            raise ValueError(f"name must be 1 to 64 letters, digits, - _ or . (no dot first), got {self.name!r}")


@dataclass(frozen=True)
class Schedule:
    sequence: int
    batch_tokens: int
    warmup: int
    decay: float
    budgets: list[Budget]

    def __post_init__(self) -> None:
        positive(self, "sequence", "batch_tokens", "warmup")
        if self.batch_tokens % self.sequence:
            raise ValueError("batch_tokens must be a multiple of sequence")
        if not 0 < self.decay < 1:
            raise ValueError(f"decay must be between 0 and 1, got {self.decay}")
        if not 1 <= len(self.budgets) <= MOST_BUDGETS:
            raise ValueError(f"budgets must be 1 to {MOST_BUDGETS}, got {len(self.budgets)}")
        steps = [budget.steps for budget in self.budgets]
        if steps != sorted(set(steps)):
            raise ValueError("budgets must grow in steps from one to the next")
        if len({budget.name for budget in self.budgets}) != len(self.budgets):
            raise ValueError("two budgets have the same name")

    @property
    def batch(self) -> int:
        """Sequences of a step."""
        return self.batch_tokens // self.sequence


@dataclass(frozen=True)
class OptimiserSpec:
    lr: float
    weight_decay: float
    beta1: float
    beta2: float
    momentum: float
    clip: float

    def __post_init__(self) -> None:
        positive(self, "lr", "clip")
        for name in ("beta1", "beta2", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must not be negative, got {self.weight_decay}")


@dataclass(frozen=True)
class Machine:
    device: Literal["cpu", "cuda"]
    threads: int
    micro_batch: int
    parallel: Literal["none", "ddp", "fsdp"]
    checkpoint_seconds: float
    peak_flops: float

    def __post_init__(self) -> None:
        positive(self, "threads", "micro_batch")
        if self.checkpoint_seconds < 0 or self.peak_flops < 0:
            raise ValueError("checkpoint_seconds and peak_flops must not be negative")


@dataclass(frozen=True)
class Job:
    v: int
    model: ModelSpec
    data: DataSpec
    schedule: Schedule
    optimiser: OptimiserSpec
    precision: Literal["float32", "bfloat16"]
    validation_sequences: int
    seed: int
    machine: Machine

    def __post_init__(self) -> None:
        positive(self, "validation_sequences")
        if self.v != PROTOCOL_VERSION:
            raise ValueError(f"v must be {PROTOCOL_VERSION}, got {self.v}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed must be between 0 and {LARGEST_SEED}, got {self.seed}")
        if self.precision == "bfloat16" and self.machine.device == "cpu":
            raise ValueError("bfloat16 needs a CUDA device")


def parse_job(text: str) -> Job:
    """The job that `text` spells; raises InvalidCandidate naming the path of what is wrong."""
    return parse(Job, read_object(text), "job")


def read_object(text: str) -> dict[str, Any]:
    """One JSON object of at most LARGEST_JOB bytes, without NaN or infinities."""
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST_JOB:
        raise InvalidCandidate(f"the job is larger than {LARGEST_JOB} bytes")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidCandidate(f"the job is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidCandidate("the job is not an object")
    return value


def identity(text: str) -> str:
    """SHA-256 over the canonical JSON of what decides the losses of a job that `parse_job` accepts."""
    value = json.loads(text)
    deciding = {key: part for key, part in value.items() if key != "machine"}
    deciding["data"] = value["data"]["digest"]
    primitives = own_digests(value["model"]["pattern"])
    if primitives:
        deciding["primitives"] = primitives
    return hashlib.sha256(json.dumps(deciding, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def own_digests(pattern: Iterable[str]) -> dict[str, str]:
    """Digests of the user's primitives in a pattern, by name."""
    return {token: own(token).digest for token in pattern if token not in PRIMITIVES}


def trunk_identity(text: str) -> str:
    """The same without the budgets: equal for jobs whose runs share their trunk."""
    value = json.loads(text)
    schedule = {key: part for key, part in value["schedule"].items() if key != "budgets"}
    return identity(json.dumps({**value, "schedule": schedule}))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
