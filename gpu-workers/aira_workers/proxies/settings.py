"""The settings of a rung, as they stand in a task's metadata and arrive with a request. Every key is required."""

import re
from dataclasses import dataclass
from typing import Any, Literal, Union

from ..mad import TaskSizes
from ..primitives import Sizes
from ..strict import parse_tagged, positive


@dataclass(frozen=True)
class MuonAdam:
    """Muon for the layers' matrices, Adam for the rest, one warm-up and cosine for both, a common gradient clip.

    `warmup` is in steps; it takes a tenth of the training at most (optim/schedule.py).
    """

    matrix_lr: float
    momentum: float
    newton_schulz_steps: int
    lr: float
    beta1: float
    beta2: float
    eps: float
    clip: float
    warmup: int
    floor: float

    def __post_init__(self) -> None:
        positive(self, "matrix_lr", "newton_schulz_steps", "lr", "eps", "clip")
        if not (0 <= self.momentum < 1 and 0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and 0 <= self.floor <= 1):
            raise ValueError("momentum, beta1 and beta2 must be in [0, 1) and floor in [0, 1]")
        if self.warmup < 0:
            raise ValueError("warmup must not be negative")


@dataclass(frozen=True)
class JointSettings:
    """One network for all six tasks, each in its own token range; see `joint.py`."""

    proxy: Literal["joint"]
    model: Sizes
    tasks: TaskSizes
    steps: int
    sequences_per_task: int
    optimiser: MuonAdam
    test_samples: int

    def __post_init__(self) -> None:
        positive(self, "steps", "sequences_per_task", "test_samples")
        if len({sizes.length for sizes in vars(self.tasks).values()}) > 1:
            raise ValueError("all tasks of a joint proxy must have the same length")


@dataclass(frozen=True)
class RepeatedSettings:
    """The mean of several joint trainings that differ in their seed alone; see `repeated.py`."""

    proxy: Literal["repeated"]
    trainings: int
    training: JointSettings

    def __post_init__(self) -> None:
        if self.trainings < 2:
            raise ValueError("trainings must be at least 2; one training is the joint proxy")


@dataclass(frozen=True)
class CosineAdamW:
    """AdamW with half a cosine per epoch from lr to lr_min."""

    lr: float
    lr_min: float
    weight_decay: float
    beta1: float
    beta2: float

    def __post_init__(self) -> None:
        positive(self, "lr")
        if not (0 <= self.lr_min <= self.lr and self.weight_decay >= 0):
            raise ValueError("lr_min must be in [0, lr] and weight_decay not negative")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError("beta1 and beta2 must be in [0, 1)")


@dataclass(frozen=True)
class SeparateSettings:
    """Six networks, one per task, over several passes of a small data set; see `separate.py`."""

    proxy: Literal["separate"]
    model: Sizes
    tasks: TaskSizes
    train_samples: int
    held_out: float
    test_samples: int
    epochs: int
    batch: int
    validate_every: int
    stop_at: float
    optimiser: CosineAdamW
    bfloat16_on_cuda: bool

    def __post_init__(self) -> None:
        positive(self, "train_samples", "test_samples", "epochs", "batch", "validate_every", "stop_at")
        if not 0 < self.held_out < 1 or not 0 < self.held_out_samples < self.train_samples:
            raise ValueError("held_out must leave samples on both sides of the split")

    @property
    def held_out_samples(self) -> int:
        return round(self.train_samples * self.held_out)


@dataclass(frozen=True)
class LadderSettings:
    """Every task at its baseline and along its difficulty ladders, each trained as `training` says; see `ladder.py`.

    `training.tasks` are the baselines and `training.train_samples` their sequences; `depth` is how many values of each
    ladder are taken, easiest first: 5 are all.
    """

    proxy: Literal["ladder"]
    training: SeparateSettings
    depth: int

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= 5:
            raise ValueError("depth must be in 1..5")


@dataclass(frozen=True)
class BlockData:
    """`corpus` is "stories", the generator of this project, or the name of imported shards. Blocks hold `length` tokens.

    vocabulary 257 is bytes and a begin-of-text mark; above, byte pair encoding learned from the training text.
    `document_bytes` is the longest generated document.
    """

    corpus: str
    document_bytes: int
    length: int
    vocabulary: int
    validation_blocks: int
    test_blocks: int

    def __post_init__(self) -> None:
        positive(self, "document_bytes", "length", "validation_blocks", "test_blocks")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.corpus):
            raise ValueError("corpus must be a name of small letters, digits and hyphens")
        if not 257 <= self.vocabulary <= 65_535:
            raise ValueError("vocabulary must be in 257..65535")


@dataclass(frozen=True)
class LanguageSettings:
    """Next-token prediction in one pass over fresh blocks; the score is cross-entropy. See `language.py`.

    score "prequential": the mean loss on the batches of the last half of training, each before it is learned from;
    "held-out": the loss on validation blocks after training.
    """

    proxy: Literal["language"]
    model: Sizes
    data: BlockData
    steps: int
    batch: int
    score: Literal["prequential", "held-out"]
    optimiser: MuonAdam

    def __post_init__(self) -> None:
        positive(self, "steps", "batch")


Settings = Union[JointSettings, RepeatedSettings, SeparateSettings, LadderSettings, LanguageSettings]

_KINDS = {
    "joint": JointSettings,
    "repeated": RepeatedSettings,
    "separate": SeparateSettings,
    "ladder": LadderSettings,
    "language": LanguageSettings,
}


def parse_settings(value: Any) -> Settings:
    """Return the settings that `value` spells out; raise InvalidCandidate naming what is wrong with them."""
    return parse_tagged("proxy", _KINDS, value)
