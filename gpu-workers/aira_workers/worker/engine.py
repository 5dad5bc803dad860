"""Which engine this worker trains with, decided once at start-up."""

import sys

import torch

from ..native import Unavailable, open_engine
from ..proxies import TORCH, Engine


def choose_engine(wanted: str, device: torch.device) -> Engine:
    """The engine for `wanted` (auto, native, torch); on CUDA always torch.

    Raises Unavailable when native was asked for by name and cannot be used; under auto one line on standard error says
    why torch trains instead.
    """
    if wanted == "torch" or device.type != "cpu":
        return TORCH
    try:
        return open_engine()
    except Unavailable as error:
        if wanted == "native":
            raise
        print(f"aira_workers: training with torch, which is slower, because {error}", file=sys.stderr)
        return TORCH
