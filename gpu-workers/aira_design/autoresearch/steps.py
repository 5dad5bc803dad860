"""Running a script and asking what it trained: what runs in the sandbox."""

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import torch

from ..candidate import attribute, blame, import_file, settle
from ..failures import CandidateFailure
from ..layout import load, write_predictions
from ..settings import AutoresearchSettings
from . import lab

SCRIPT = "train.py"
_PREDICT_BATCH = 16


def train(
    settings: AutoresearchSettings, seed: int, data: Path, candidate: Path, out: Path, device: str
) -> None:
    """Run train.py as __main__ with `out` as working directory. Raises CandidateFailure."""
    on = settle(device)
    script = candidate.resolve() / SCRIPT
    if not script.is_file():
        raise CandidateFailure("invalid", f"there is no {SCRIPT}")
    _offer(settings, seed, data.resolve(), out.resolve(), on)
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
    if not any(out.iterdir()):
        raise CandidateFailure("invalid", f"{SCRIPT} left nothing in the working directory for load()")


def predict(
    settings: AutoresearchSettings, inputs: Path, candidate: Path, state: Path, out: Path, device: str
) -> None:
    """Write the logits at the asked positions, (rows, asked, vocabulary) float32. Raises CandidateFailure."""
    on = settle(device)
    tokens, asked, out = load(inputs, "inputs"), load(inputs, "asked"), out.resolve()
    _offer(settings, 0, None, state.resolve(), on)
    state = state.resolve()
    answer = attribute(import_file(candidate.resolve() / SCRIPT, "train"), "load")
    try:
        model = answer(str(state))
        found = np.empty((*asked.shape, settings.data.vocabulary), dtype="<f4")
        with torch.no_grad():
            for start in range(0, len(tokens), _PREDICT_BATCH):
                rows = slice(start, start + _PREDICT_BATCH)
                batch = torch.from_numpy(tokens[rows].astype(np.int64)).to(on)
                found[rows] = _picked(model(batch), asked[rows], settings.data.vocabulary)
    except Exception as error:
        raise blame(error, "prediction failed") from error
    write_predictions(out, found)


def _picked(logits: object, asked: np.ndarray, vocabulary: int) -> np.ndarray:
    if not isinstance(logits, torch.Tensor) or logits.dim() != 3 or logits.shape[2] != vocabulary:
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise CandidateFailure("invalid", f"load() answers with {got}; expected logits (batch, time, {vocabulary})")
    places = torch.from_numpy(asked).to(logits.device)
    return logits.gather(1, places[:, :, None].expand(-1, -1, vocabulary)).float().cpu().numpy()


def _offer(settings: AutoresearchSettings, seed: int, train: object, out: Path, device: torch.device) -> None:
    lab.configure(settings, seed, train if isinstance(train, Path) else None, out, device)
    sys.modules["prepare"] = lab
