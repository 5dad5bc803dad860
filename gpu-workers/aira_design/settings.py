"""The settings of a rung of a Design task, as they stand in its metadata. Every key is required."""

import re
from dataclasses import dataclass
from typing import Any, Literal, Union

from aira_workers.strict import parse_tagged, positive


@dataclass(frozen=True)
class Budget:
    """What the host enforces from outside. `cpu_seconds` is the fair one on a shared machine, `seconds` (wall) a guard.

    `predict_seconds` (wall and CPU) is small so that nothing can be learned there.
    """

    seconds: float
    cpu_seconds: float
    memory_mb: int
    predict_seconds: float

    def __post_init__(self) -> None:
        positive(self, "seconds", "cpu_seconds", "memory_mb", "predict_seconds")


@dataclass(frozen=True)
class LraData:
    """One task of the Long Range Arena. `length` is in tokens, per document for retrieval.

    source "generated": ListOps as published; for text and retrieval a stand-in of this project in the same format.
    source "distant": rows of this project whose class only an order over a distance decides (listops.py, papers.py).
    source "files": the benchmark's own, imported; `train`, `validation` and `test` are then upper bounds (0: all).
    `min_length`, `max_depth` and `max_args` shape ListOps expressions, and are 0 for other tasks and for distant rows.
    """

    task: Literal["listops", "text", "retrieval"]
    source: Literal["generated", "distant", "files"]
    train: int
    validation: int
    test: int
    length: int
    min_length: int
    max_depth: int
    max_args: int

    def __post_init__(self) -> None:
        positive(self, "length")
        if self.source != "files":
            positive(self, "train", "validation", "test")
        shape = (self.min_length, self.max_depth, self.max_args)
        if (self.task, self.source) == ("text", "distant"):
            raise ValueError("text has no distant rows; its generated ones are such already")
        shaped = self.task == "listops" and self.source != "distant"
        if shaped and not (0 < self.min_length < self.length and self.max_depth > 1 < self.max_args):
            raise ValueError("listops needs 0 < min_length < length, max_depth > 1 and max_args > 1")
        if not shaped and any(shape):
            raise ValueError("min_length, max_depth and max_args belong to listops as published; set them to 0")

    @property
    def classes(self) -> int:
        return 10 if self.task == "listops" else 2

    @property
    def vocabulary(self) -> int:
        """Token ids are below this; 0 is padding."""
        return 16 if self.task == "listops" else 257


@dataclass(frozen=True)
class EncoderSizes:
    """`interaction` says what a pair of documents becomes: [a, b], or with "nli" also their product and difference."""

    width: int
    heads: int
    layers: int
    mlp: int
    dropout: float
    interaction: Literal["plain", "nli"]

    def __post_init__(self) -> None:
        positive(self, "width", "heads", "layers", "mlp")
        if self.width % self.heads or self.width % 2:
            raise ValueError("width must be even and a multiple of heads")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must be in [0, 1)")


@dataclass(frozen=True)
class Training:
    """Adam by the published schedule: learning_rate x min(1, step / warmup) / sqrt(max(step, warmup))."""

    learning_rate: float
    weight_decay: float
    warmup: int
    batch: int
    steps: int

    def __post_init__(self) -> None:
        positive(self, "learning_rate", "warmup", "batch", "steps")
        if self.weight_decay < 0:
            raise ValueError("weight_decay must not be negative")


@dataclass(frozen=True)
class LraSettings:
    """`configurable`: the candidate may bring a config.json; see lra/config.py. `probes` rows are asked twice."""

    family: Literal["lra"]
    data: LraData
    model: EncoderSizes
    training: Training
    configurable: bool
    probes: int
    budget: Budget

    def __post_init__(self) -> None:
        positive(self, "probes")


GENERATED_CORPUS = "stories"


@dataclass(frozen=True)
class TextData:
    """Where text comes from: `corpus` is "stories", the generator of this project, or the name of imported shards.

    `train_bytes` of text are for training; `validation_rows` and `test_rows` rows of `length` tokens are hidden, and at
    `asked_per_row` positions of each the next token is requested, `rows_at_once` rows side by side. `document_bytes` is
    the longest generated document. vocabulary 257 is bytes and a begin-of-text mark; above, byte pair encoding learned
    from the training text. `packing` is how documents become rows (autoresearch/packing.py).
    """

    corpus: str
    train_bytes: int
    document_bytes: int
    validation_rows: int
    test_rows: int
    length: int
    vocabulary: int
    asked_per_row: int
    rows_at_once: int
    packing: Literal["in-order", "best-fit"]

    def __post_init__(self) -> None:
        positive(self, "train_bytes", "document_bytes", "validation_rows", "test_rows", "length", "rows_at_once")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.corpus):
            raise ValueError("corpus must be a name of small letters, digits and hyphens")
        if not 257 <= self.vocabulary <= 65_535:
            raise ValueError("vocabulary must be in 257..65535")
        if not 1 <= self.asked_per_row <= self.length:
            raise ValueError("asked_per_row must be in 1..length")


@dataclass(frozen=True)
class ScriptBudget:
    """What `train.py` may use. Batches are served until `tokens` tokens are, or `seconds` after the first, as published.

    `reference_costs`: training and one prediction together may take this many times the processor seconds that a model of
    the baseline's sizes needs for all those tokens, measured on the machine (autoresearch/reference.py), and start-up; 0
    where a GPU trains and wall-clock time bounds it. `flops` is what a script plans with.
    """

    tokens: int
    seconds: float
    flops: float
    reference_costs: float

    def __post_init__(self) -> None:
        positive(self, "tokens", "seconds", "flops")
        if self.reference_costs < 0:
            raise ValueError("reference_costs must not be negative")


@dataclass(frozen=True)
class AutoresearchSettings:
    """`probes` hidden rows are asked twice, among other neighbours; 0 where arithmetic depends on the size of a batch."""

    family: Literal["autoresearch"]
    data: TextData
    script: ScriptBudget
    probes: int
    budget: Budget

    def __post_init__(self) -> None:
        if self.probes < 0:
            raise ValueError("probes must not be negative")


Settings = Union[LraSettings, AutoresearchSettings]

_KINDS = {"lra": LraSettings, "autoresearch": AutoresearchSettings}


def parse_settings(value: Any) -> Settings:
    """Return the settings that `value` spells out; raise InvalidCandidate naming what is wrong with them."""
    return parse_tagged("family", _KINDS, value)
