"""Optimisers and learning-rate schedules over flat parameter vectors."""

from .flat import FlatParameters
from .muon import StackedMuon
from .schedule import cosine_per_epoch, warmup_cosine

__all__ = ["FlatParameters", "StackedMuon", "cosine_per_epoch", "warmup_cosine"]
