"""Preparing the data and scoring. The manifest's `start` decides the encoder's start values and the order of training rows."""

from pathlib import Path

import numpy as np

from ..failures import CandidateFailure
from ..layout import NUMBERS, SPLITS, expected, load, save
from ..randomness import shuffled_apart, stream
from ..settings import LraSettings
from .data import Split, splits

_TOLERANCE = 1e-3  # of a logit, next to the largest of its row; float32 sums in another order differ by some 1e-6


def prepare(settings: LraSettings, seed: int, secret: bytes | None, root: Path | None, out: Path) -> dict:
    """Write train/, the inputs of the hidden splits and hidden/; return the manifest's part of this family."""
    from .floors import floors
    from .reference import parameter_limit

    found = splits(settings.data, seed, secret, root)
    save(out / "train", inputs=found["train"].inputs, targets=found["train"].targets)
    shapes = {}
    for split in SPLITS:
        rng = stream(f"lra-order-{split}", seed, secret)
        inputs, targets, twins = with_probes(found[split], min(settings.probes, len(found[split].targets)), rng)
        save(out / split, inputs=inputs)
        save(out / "hidden", **{f"{split}_targets": targets, f"{split}_twins": twins})
        shapes[split] = expected((len(inputs), settings.data.classes))
    reference, limit = parameter_limit(settings)
    start = int(stream("lra-start", seed, secret).integers(2**62))
    below = floors(settings.data, found)
    return {"splits": shapes, "parameters": {"reference": reference, "limit": limit}, "floors": below, "start": start}


def with_probes(split: Split, probes: int, rng: np.random.Generator):
    """Ask `probes` rows twice, among different neighbours. Returns inputs, targets (-1 at the copies) and twins (probes, 2)."""
    rows = len(split.targets)
    copied = rng.choice(rows, probes, replace=False)
    order = shuffled_apart(rng, rows + probes, copied, rows + np.arange(probes))
    place = np.argsort(order)  # where each row went
    targets = np.concatenate([split.targets, np.full(probes, -1)])[order]
    twins = np.stack([place[copied], place[rows + np.arange(probes)]], axis=1)
    return np.concatenate([split.inputs, split.inputs[copied]])[order], targets, twins


def score(settings: LraSettings, manifest: dict, hidden: Path, split: str, logits: np.ndarray, state: Path) -> dict:
    """Return the metrics of logits (rows, classes); `accuracy` is the score. Raises CandidateFailure.

    `floor_...` are accuracies on the same rows without a mixer (floors.py): a score at or below one of them is no evidence of one.
    """
    targets, twins = load(hidden, f"{split}_targets"), load(hidden, f"{split}_twins")
    one, other = logits[twins[:, 0]].astype(np.float64), logits[twins[:, 1]].astype(np.float64)
    allowed = _TOLERANCE * (1 + np.abs(one).max(axis=1))
    apart = np.abs(one - other).max(axis=1)
    if (apart > allowed).any():
        raise CandidateFailure(
            "noncausal",
            f"the answer to a row depends on the other rows of its batch: {int((apart > allowed).sum())} of {len(apart)} "
            f"rows that were asked twice were answered differently, by up to {apart.max():.3g}",
        )
    scored = targets >= 0
    chosen = logits[scored].astype(np.float64)
    labels = targets[scored]
    shifted = chosen - chosen.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return {
        "accuracy": float((chosen.argmax(axis=1) == labels).mean()),
        "loss": float(losses.mean()),
        "rows": int(len(labels)),
        "parameters": (state / NUMBERS).stat().st_size // 4,
        **{f"floor_{name}": share for name, share in manifest["floors"][split].items()},
    }
