"""Proxy trainings: from (architecture, seed, settings) to scores."""

import torch

from .joint import measure_joint
from .ladder import measure_ladder
from .language import measure_language
from .learner import TORCH, Engine
from .repeated import measure_repeated
from .run import Candidate, Hooks, Measurement, TaskScore
from .separate import measure_separate
from .settings import (
    JointSettings,
    LadderSettings,
    LanguageSettings,
    RepeatedSettings,
    SeparateSettings,
    Settings,
    parse_settings,
)

__all__ = [
    "TORCH",
    "Candidate",
    "Engine",
    "Hooks",
    "JointSettings",
    "LadderSettings",
    "LanguageSettings",
    "Measurement",
    "RepeatedSettings",
    "SeparateSettings",
    "Settings",
    "TaskScore",
    "measure",
    "parse_settings",
]


def measure(
    candidate: Candidate,
    settings: Settings,
    device: torch.device,
    hooks: Hooks = Hooks(),
    engine: Engine = TORCH,
) -> Measurement:
    """Train and score one candidate under the proxy that `settings` names, in the arithmetic of `engine`."""
    if isinstance(settings, JointSettings):
        return measure_joint(candidate, settings, device, hooks, engine)
    if isinstance(settings, RepeatedSettings):
        return measure_repeated(candidate, settings, device, hooks, engine)
    if isinstance(settings, LadderSettings):
        return measure_ladder(candidate, settings, device, hooks, engine)
    if isinstance(settings, LanguageSettings):
        return measure_language(candidate, settings, device, hooks, engine)
    return measure_separate(candidate, settings, device, hooks, engine)
