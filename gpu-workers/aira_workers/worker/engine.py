"""Which engine this worker trains with, decided once at start-up."""

import sys

import torch

from ..native import Unavailable
from ..population import PopulationEngine, members_worth_while
from ..proxies import TORCH, Engine
from .enginecache import open_verified_engine


def choose_engine(wanted: str, device: torch.device, calibrated_flops: float) -> Engine:
    """The engine for `wanted` (auto, native, native-bf16, torch, population); auto is population on CUDA and native on the CPU.

    Raises Unavailable when a native one was asked for by name and cannot be used; under auto one line on standard error says
    why torch trains instead.
    """
    if wanted == "torch":
        return TORCH
    if wanted == "population" or (wanted == "auto" and device.type == "cuda"):
        return PopulationEngine(device, members_worth_while(device, calibrated_flops))
    if device.type == "cuda":
        raise Unavailable("the native engine trains on CPUs only")
    try:
        return open_verified_engine(rounds=wanted == "native-bf16")
    except Unavailable as error:
        if wanted != "auto":
            raise
        print(f"aira_workers: training with torch, which is slower, because {error}", file=sys.stderr)
        return TORCH
