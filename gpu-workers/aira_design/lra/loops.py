"""Training the encoder around a candidate's mixers, and asking it: trusted code, which talks to the program that runs them.

T1  Tokens, targets, encoder, recipe and optimiser are here. The program sees what remote.py sends.
T2  The start values of everything but the mixers and the order of the rows come from the manifest, not from the public seed.
T3  State and predictions are written here. Nothing that the program writes is read.
"""

import math
from pathlib import Path

import numpy as np
import torch

from ..candidate import settle
from ..channel import Channel
from ..failures import CandidateFailure
from ..layout import load, read_json, write_predictions
from ..settings import LraSettings
from ..state import read_state, write_state
from .config import chosen_training
from .encoder import Encoder, count_parameters
from .remote import Program

_BETAS, _EPSILON = (0.9, 0.98), 1e-9
_PREDICT_BATCH = 32
_CHECKS = 10


def train(
    settings: LraSettings,
    seed: int,
    data: Path,
    manifest: Path,
    candidate: Path,
    channel: Channel,
    out: Path,
    device: str,
) -> None:
    """Train the program's mixers in the encoder and leave the state in `out`. Raises CandidateFailure and ChannelError."""
    chosen, record = chosen_training(settings, candidate), read_json(manifest)
    on = settle(device)
    encoder = _encoder(settings, seed, record, channel).to(on)
    inputs, targets = load(data, "inputs"), torch.from_numpy(load(data, "targets"))
    optimiser = torch.optim.AdamW(encoder.parameters(), 1.0, _BETAS, _EPSILON, weight_decay=chosen.weight_decay)
    order = np.random.default_rng([record["start"], seed])
    rows = np.concatenate(
        [order.permutation(len(targets)) for _ in range(-(-chosen.batch * chosen.steps // len(targets)))]
    )
    encoder.train()
    torch.manual_seed(record["start"])
    for step in range(1, chosen.steps + 1):
        picked = np.sort(rows[(step - 1) * chosen.batch : step * chosen.batch])
        loss = torch.nn.functional.cross_entropy(encoder(_batch(inputs, picked, on)), targets[picked].to(on))
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = rate(chosen.learning_rate, chosen.warmup, step)
        optimiser.step()
        due = step * _CHECKS // chosen.steps > (step - 1) * _CHECKS // chosen.steps
        if due and not math.isfinite(float(loss)):
            raise CandidateFailure("nan", f"the loss is not finite at step {step}")
    write_state(out, encoder.state_dict(), seed)


def predict(
    settings: LraSettings, inputs: Path, manifest: Path, state: Path, channel: Channel, out: Path, device: str
) -> None:
    """Write the logits of every row of `inputs`, (rows, classes) float32. Raises CandidateFailure and ChannelError.

    What a program says of its failure is dropped: it may be about hidden rows.
    """
    on = settle(device)
    tokens = load(inputs, "inputs")
    # The same seed as in training: a mixer may have drawn numbers that it does not learn, and does not keep.
    tensors, seed = read_state(state)
    encoder = _encoder(settings, seed, read_json(manifest), channel)
    shapes = ({name: one.shape for name, one in each.items()} for each in (tensors, encoder.state_dict()))
    if next(shapes) != next(shapes):
        raise CandidateFailure("invalid", "build returned other parameters than in training")
    encoder.load_state_dict(tensors)
    encoder.to(on).eval()
    try:
        with torch.no_grad():
            found = [
                encoder(_batch(tokens, np.arange(start, min(start + _PREDICT_BATCH, len(tokens))), on)).cpu()
                for start in range(0, len(tokens), _PREDICT_BATCH)
            ]
    except CandidateFailure as failure:
        raise CandidateFailure(
            failure.reason, "the mixers failed in prediction, which they did not in training"
        ) from failure
    write_predictions(out, torch.cat(found).float().numpy())


def rate(learning_rate: float, warmup: int, step: int) -> float:
    """The published schedule at 1-based `step`: linear warm-up, then one over the square root."""
    return learning_rate * min(1.0, step / warmup) / math.sqrt(max(step, warmup))


def _encoder(settings: LraSettings, seed: int, manifest: dict, channel: Channel) -> Encoder:
    """The encoder with the program's mixers in it; refused before it has seen anything where it is too large."""
    data, sizes, start = settings.data, settings.model, manifest["start"]
    fixed = count_parameters(Encoder(data, sizes, lambda *_: torch.nn.Identity(), seed, start))
    program = Program(channel, sizes, data.length + 1, seed, manifest["parameters"]["limit"] - fixed)
    mixers = iter(program.mixers)
    return Encoder(data, sizes, lambda *_: next(mixers), seed, start)


def _batch(tokens: np.ndarray, rows: np.ndarray, device: torch.device) -> torch.Tensor:
    """Always of full length: how far a row is padded must not depend on its neighbours."""
    return torch.from_numpy(tokens[rows].astype(np.int64)).to(device)
