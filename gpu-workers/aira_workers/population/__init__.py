"""Populations: candidates with different patterns trained in one loop, for devices that a single small model leaves idle."""

from .engine import PopulationEngine, measure_together
from .outcome import Outcome
from .room import members_worth_while

__all__ = ["Outcome", "PopulationEngine", "measure_together", "members_worth_while"]
