"""The families of tasks behind one interface. Imports are late: scoring needs neither torch nor a candidate's side."""

from typing import Any

from .settings import LraSettings, Settings


def metric(settings: Settings) -> str:
    """The name of the figure that is the score."""
    return "accuracy" if isinstance(settings, LraSettings) else "val_bpb"


def host(settings: Settings) -> Any:
    """The module with `prepare` and `score`."""
    if isinstance(settings, LraSettings):
        from .lra import host as module
    else:
        from .autoresearch import host as module
    return module


def steps(settings: Settings) -> Any:
    """The module that runs in the sandbox: `train` and `predict` of autoresearch; lra has one program for both, its mixers."""
    from .autoresearch import steps as module

    return module


def loops(settings: Settings) -> Any:
    """The module with the trusted `train` and `predict`, which talk to the candidate's program."""
    if isinstance(settings, LraSettings):
        from .lra import loops as module
    else:
        from .autoresearch import loops as module
    return module


def is_mixer(settings: Settings) -> bool:
    """Whether the program is the `mixers` of an encoder; else it trains and predicts by itself."""
    return isinstance(settings, LraSettings)
