"""Running a script and asking what it trained: what runs in the sandbox."""

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..candidate import attribute, blame, import_file, settle
from ..channel import Channel
from ..failures import CandidateFailure
from ..settings import AutoresearchSettings
from . import lab

SCRIPT = "train.py"
_ROWS_OF_A_PASS = 16
"""Where a program answers without a stream: bounds the memory that the logits of all positions take."""


def train(settings: AutoresearchSettings, seed: int, channel: Channel, candidate: Path, out: Path, device: str) -> None:
    """Run train.py as __main__ with `out` as working directory. Raises CandidateFailure."""
    on = settle(device)
    script = candidate.resolve() / SCRIPT
    if not script.is_file():
        raise CandidateFailure("invalid", f"there is no {SCRIPT}")
    _offer(settings, seed, channel, on)
    torch.manual_seed(seed)
    np.random.seed(seed)
    os.chdir(out)
    sys.argv = [str(script)]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as error:
        if error.code not in (None, 0):
            raise CandidateFailure("crash", f"{SCRIPT} exited with {error.code}") from error
    except Exception as error:
        raise blame(error, f"{SCRIPT} failed") from error
    if not Path(lab.STATE).is_file():
        raise CandidateFailure("invalid", f"{SCRIPT} left no {lab.STATE} in the working directory for load()")


def predict(settings: AutoresearchSettings, channel: Channel, candidate: Path, state: Path, device: str) -> None:
    """Answer what the host asks until it is done. Raises CandidateFailure."""
    on = settle(device)
    _offer(settings, 0, None, on)
    answer = attribute(import_file(candidate.resolve() / SCRIPT, "train"), "load")
    try:
        with torch.no_grad():
            model = answer(str(state.resolve()))
            channel.send("ready")
            advance: Callable[[torch.Tensor], torch.Tensor] = lambda tokens: tokens
            while (more := channel.receive(_most_bytes(settings))).kind != "done":
                tokens = torch.from_numpy(more.arrays["tokens"].astype(np.int64)).to(on)
                if more.fields["first"]:
                    advance = _stream(model, len(tokens))
                logits = _checked(advance(tokens), len(tokens), settings.data.vocabulary)
                channel.send("answer", {}, {"logits": logits})
    except Exception as error:
        raise blame(error, "prediction failed") from error


def _most_bytes(settings: AutoresearchSettings) -> int:
    return 2 * settings.data.rows_at_once * settings.data.length


def _stream(model: Any, rows: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """From new tokens (rows, new) to logits (rows, vocabulary) of the one that follows; begins with empty rows."""
    if hasattr(model, "stream"):
        return model.stream(rows)
    shown = []

    def again(tokens: torch.Tensor) -> torch.Tensor:
        shown.append(tokens)
        everything = torch.cat(shown, dim=1)
        return torch.cat([_last(model(part)) for part in everything.split(_ROWS_OF_A_PASS)])

    return again


def _last(logits: Any) -> torch.Tensor:
    if not isinstance(logits, torch.Tensor) or logits.dim() != 3:
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise CandidateFailure("invalid", f"load() answers with {got}; expected logits (batch, time, vocabulary)")
    return logits[:, -1]


def _checked(logits: Any, rows: int, vocabulary: int) -> np.ndarray:
    if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != (rows, vocabulary):
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise CandidateFailure("invalid", f"the answer is {got}; expected logits ({rows}, {vocabulary})")
    return logits.float().cpu().numpy()


def _offer(settings: AutoresearchSettings, seed: int, channel: Any, device: torch.device) -> None:
    lab.configure(settings, seed, channel, device)
    sys.modules["prepare"] = lab
