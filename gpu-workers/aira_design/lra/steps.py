"""Training and asking a candidate: what runs in the sandbox."""

import math
import sys
from pathlib import Path

import numpy as np
import torch

from ..candidate import attribute, blame, import_file, settle
from ..failures import CandidateFailure
from ..layout import load, write_predictions
from ..settings import LraSettings
from ..state import read_state, write_state
from .config import chosen_training
from .encoder import Encoder

_BETAS, _EPSILON = (0.9, 0.98), 1e-9
_PREDICT_BATCH = 32
_REPORTS = 10


def train(settings: LraSettings, seed: int, data: Path, candidate: Path, out: Path, device: str) -> None:
    """Train the candidate's mixers in the encoder and leave the state in `out`. Raises CandidateFailure."""
    chosen = chosen_training(settings, candidate)
    on = settle(device)
    inputs, targets = load(data, "inputs"), torch.from_numpy(load(data, "targets"))
    encoder = _encoder(settings, candidate, seed).to(on)
    optimiser = torch.optim.AdamW(encoder.parameters(), 1.0, _BETAS, _EPSILON, weight_decay=chosen.weight_decay)
    order = np.random.default_rng(seed)
    rows = np.concatenate(
        [order.permutation(len(targets)) for _ in range(-(-chosen.batch * chosen.steps // len(targets)))]
    )
    encoder.train()
    torch.manual_seed(seed)
    try:
        for step in range(1, chosen.steps + 1):
            picked = np.sort(rows[(step - 1) * chosen.batch : step * chosen.batch])
            batch = _batch(inputs, picked, on)
            loss = torch.nn.functional.cross_entropy(encoder(batch), targets[picked].to(on))
            optimiser.zero_grad()
            loss.backward()
            optimiser.param_groups[0]["lr"] = rate(chosen.learning_rate, chosen.warmup, step)
            optimiser.step()
            if step * _REPORTS // chosen.steps > (step - 1) * _REPORTS // chosen.steps:
                value = float(loss)
                print(f"step {step} of {chosen.steps}: loss {value:.4f}", file=sys.stderr, flush=True)
                if not math.isfinite(value):
                    raise CandidateFailure("nan", f"the loss is not finite at step {step}")
    except Exception as error:
        raise blame(error, "training failed") from error
    write_state(out, encoder.state_dict(), seed)


def predict(settings: LraSettings, inputs: Path, candidate: Path, state: Path, out: Path, device: str) -> None:
    """Write the logits of every row of `inputs`, (rows, classes) float32. Raises CandidateFailure."""
    on = settle(device)
    tokens = load(inputs, "inputs")
    # The same seed as in training: a mixer may have drawn numbers that it does not learn, and does not keep.
    tensors, seed = read_state(state)
    encoder = _encoder(settings, candidate, seed)
    try:
        encoder.load_state_dict(tensors)
        encoder.to(on).eval()
        with torch.no_grad():
            found = [
                encoder(_batch(tokens, np.arange(start, min(start + _PREDICT_BATCH, len(tokens))), on)).cpu()
                for start in range(0, len(tokens), _PREDICT_BATCH)
            ]
    except Exception as error:
        raise blame(error, "prediction failed") from error
    write_predictions(out, torch.cat(found).float().numpy())


def rate(learning_rate: float, warmup: int, step: int) -> float:
    """The published schedule at 1-based `step`: linear warm-up, then one over the square root."""
    return learning_rate * min(1.0, step / warmup) / math.sqrt(max(step, warmup))


def _encoder(settings: LraSettings, candidate: Path, seed: int) -> Encoder:
    build = attribute(import_file(candidate / "model.py", "model"), "build")
    try:
        return Encoder(settings.data, settings.model, build, seed)
    except Exception as error:
        raise blame(error, "the model cannot be built") from error


def _batch(tokens: np.ndarray, rows: np.ndarray, device: torch.device) -> torch.Tensor:
    """Always of full length: how far a row is padded must not depend on its neighbours."""
    return torch.from_numpy(tokens[rows].astype(np.int64)).to(device)
