"""The population engine as the worker sees it: how many candidates go together, and their outcomes.

Alone or in company, a candidate runs through the same code. A population that does not fit into the device's memory is
halved and each half trained from the start, down to single candidates: what runs out of memory then does so by itself.
"""

from collections.abc import Callable, Sequence

import torch

from ..errors import EvaluationError, OutOfMemory
from ..primitives import PRIMITIVES
from ..proxies import TORCH, Candidate, Hooks, JointSettings, SeparateSettings, Settings, measure
from ..proxies.learner import Learner
from .joint import measure_joint_together
from .model import SUPPORTED
from .outcome import Outcome
from .room import members_that_fit
from .separate import measure_separate_together

OutOfMemoryTest = Callable[[BaseException], bool]


class PopulationEngine:
    """`most`: how many candidates go together at most; fewer where the device's memory asks for it."""

    name = "population"

    def __init__(self, device: torch.device, most: int) -> None:
        self.device, self.most = device, most

    def learner(self, *arguments) -> Learner:
        """For a proxy that has no population form: torch, one candidate at a time."""
        return TORCH.learner(*arguments)


def measure_together(
    engine: PopulationEngine,
    candidates: Sequence[Candidate],
    settings: Settings,
    hooks: Sequence[Hooks],
    finished: Callable[[int, Outcome], None],
    settle: Callable[[], None],
    out_of_memory: OutOfMemoryTest,
) -> None:
    """Train all candidates and hand each outcome to `finished` (place in `candidates`, outcome); `settle` after each
    wave of candidates that trained together.

    Raises Cancelled for all that have no outcome yet, and what is not a candidate's fault.
    """
    together = _together(settings)
    batched = [place for place, candidate in enumerate(candidates) if together and _has_batched_code(candidate)]
    for place in sorted({*range(len(candidates))} - {*batched}):
        finished(place, _alone(candidates[place], settings, engine, hooks[place], out_of_memory))
        settle()
    for wave in _waves(batched, candidates, settings, engine):
        _run_wave(wave, candidates, settings, engine, hooks, finished, out_of_memory, together)
        settle()


def _together(settings: Settings) -> Callable | None:
    """The population form of the settings' proxy, if there is one."""
    if isinstance(settings, JointSettings):
        return measure_joint_together
    return measure_separate_together if isinstance(settings, SeparateSettings) else None


def _has_batched_code(candidate: Candidate) -> bool:
    return all(PRIMITIVES[token].layer in SUPPORTED for token in candidate.architecture)


def _waves(
    batched: Sequence[int], candidates: Sequence[Candidate], settings: Settings, engine: PopulationEngine
) -> list[list[int]]:
    by_measure: dict[str, list[int]] = {}
    for place in batched:
        by_measure.setdefault(candidates[place].measure, []).append(place)
    if not by_measure:
        return []
    size = min(engine.most, members_that_fit(settings, engine.device, [candidates[place] for place in batched]))
    return [places[first : first + size] for places in by_measure.values() for first in range(0, len(places), size)]


def _run_wave(places, candidates, settings, engine, hooks, finished, out_of_memory, together) -> None:
    try:
        outcomes = together(
            [candidates[place] for place in places], settings, engine.device, [hooks[place] for place in places]
        )
    except EvaluationError:
        raise
    except Exception as error:
        if not out_of_memory(error):
            raise
        outcomes = None
        reason = str(error)
    if engine.device.type == "cuda":
        torch.cuda.empty_cache()
    if outcomes is not None:
        for place, outcome in zip(places, outcomes):
            finished(place, outcome)
    elif len(places) == 1:
        finished(places[0], OutOfMemory(f"the device ran out of memory: {reason}"))
    else:
        middle = len(places) // 2
        for half in (places[:middle], places[middle:]):
            _run_wave(half, candidates, settings, engine, hooks, finished, out_of_memory, together)


def _alone(candidate, settings, engine, hooks, out_of_memory) -> Outcome:
    try:
        return measure(candidate, settings, engine.device, hooks, TORCH)
    except EvaluationError as error:
        if error.reason == "cancelled":
            raise
        return error
    except Exception as error:
        if not out_of_memory(error):
            raise
        return OutOfMemory(f"the device ran out of memory: {error}")
