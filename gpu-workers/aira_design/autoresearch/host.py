"""Preparing the text and scoring: the trusted steps.

val_bpb = sum of the nats of the asked tokens / (ln 2 x the UTF-8 bytes they stand for), begin-of-text marks left out.
"""

import math
from pathlib import Path
from typing import Optional, Tuple

import numpy as np

from ..failures import CandidateFailure
from ..layout import SPLITS, expected, load, save, write_json
from ..randomness import stream
from ..settings import AutoresearchSettings
from .rows import documents, pack, tokenizer, training_text, with_probes

_TOLERANCE = 1e-3  # of a logit, beside the largest of its position; float32 sums in another order differ by some 1e-6
_SPLICES = 4  # times `probes`: they are judged together, and their number decides how small a leak shows
_SUSPICIOUS = 5.0  # standard errors by which spliced rows may be harder than scored ones


def prepare(
    settings: AutoresearchSettings, seed: int, secret: Optional[bytes], root: Optional[Path], out: Path
) -> dict:
    """Write train/ (tokens of all documents in one array), the inputs of the hidden splits and hidden/."""
    data = settings.data
    texts = training_text(data, documents(data, "train", seed, secret, root))
    tokens = tokenizer(data, texts)
    encoded = [tokens.encode(one) for one in texts]
    starts = np.cumsum([0] + [len(one) for one in encoded])
    save(out / "train", tokens=np.concatenate(encoded), documents=starts)
    write_json(out / "train" / "tokenizer.json", {"merges": tokens.merges})
    save(out / "hidden", token_bytes=tokens.token_bytes())
    shapes = {}
    for split in SPLITS:
        scored = data.validation_rows if split == "validation" else data.test_rows
        probes = min(settings.probes, scored // 2)
        found = documents(data, split, seed, secret, root)
        packed = pack(found, tokens, scored + _SPLICES * settings.probes, data.length + 1)
        rows = with_probes(packed, scored, probes, data.asked_per_row, stream(f"autoresearch-{split}-rows", seed, secret))
        save(out / split, inputs=rows.inputs, asked=rows.asked)
        hidden = {name: getattr(rows, name) for name in ("targets", "copies", "futures", "splices", "spliced", "asked")}
        save(out / "hidden", **{f"{split}_{name}": array for name, array in hidden.items()})
        shapes[split] = expected((*rows.asked.shape, data.vocabulary))
    return {"splits": shapes}


def score(
    settings: AutoresearchSettings, manifest: dict, hidden: Path, split: str, logits: np.ndarray, state: Path
) -> dict:
    """Return the metrics of logits (rows, asked, vocabulary); `val_bpb` is the score. Raises CandidateFailure."""
    targets, asked = load(hidden, f"{split}_targets"), load(hidden, f"{split}_asked")
    _compare(logits, load(hidden, f"{split}_copies"), None, "the other rows of its batch")
    _compare(logits, load(hidden, f"{split}_futures"), asked, "the tokens after it")
    lengths = load(hidden, "token_bytes")
    scored = (targets >= 0) & (lengths[np.maximum(targets, 0)] > 0)
    nats, entropy = _nats(logits[scored], targets[scored])
    excess = _splice_excess(logits, hidden, split, lengths, nats - entropy)
    if excess > _SUSPICIOUS:
        raise CandidateFailure(
            "noncausal",
            f"where a row goes on with another text the answer is {excess:.1f} standard errors worse than elsewhere: "
            "the script looks at the tokens that it has to predict",
        )
    total_bytes = int(lengths[targets[scored]].sum())
    return {
        "val_bpb": float(nats.sum() / (math.log(2) * total_bytes)),
        "nats_per_token": float(nats.mean()),
        "tokens": int(scored.sum()),
        "bytes": total_bytes,
        "splice_excess": excess,
    }


def _compare(logits: np.ndarray, twins: np.ndarray, asked: Optional[np.ndarray], what: str) -> None:
    """Raise unless twins are answered alike: everywhere, or with `asked` at the positions before their futures part."""
    wrong, worst = 0, 0.0
    for pair in twins:
        one, other = logits[pair[0]].astype(np.float64), logits[pair[1]].astype(np.float64)
        if asked is not None:
            shared = asked[pair[0]] < pair[2]
            one, other = one[shared], other[shared]
        apart = np.abs(one - other).max(axis=1)
        wrong += bool((apart > _TOLERANCE * (1 + np.abs(one).max(axis=1))).any())
        worst = max(worst, float(apart.max(initial=0.0)))
    if wrong:
        raise CandidateFailure(
            "noncausal",
            f"the answer at a position depends on {what}: {wrong} of {len(twins)} rows that were asked twice were "
            f"answered differently, by up to {worst:.3g}",
        )


def _splice_excess(logits: np.ndarray, hidden: Path, split: str, lengths: np.ndarray, surprise: np.ndarray) -> float:
    """How much worse spliced positions are answered than scored ones, in standard errors; negative is better.

    Compared is the surprise, nats beyond what the answer itself expects (its entropy): for a model that does not look
    ahead its mean is the same at both, and it varies less than the nats do. A leak of less than _SUSPICIOUS standard
    errors of this mean goes unseen.
    """
    splices, truth = load(hidden, f"{split}_splices"), load(hidden, f"{split}_spliced")
    real = lengths[truth] > 0
    nats, entropy = _nats(logits[splices[real, 0], splices[real, 1]], truth[real])
    there = nats - entropy
    error = math.hypot(there.std(ddof=1) / math.sqrt(len(there)), surprise.std() / math.sqrt(len(surprise)))
    return float((there.mean() - surprise.mean()) / max(error, 1e-9))


def _nats(logits: np.ndarray, targets: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Cross-entropy of each row of logits (n, vocabulary) and the entropy of its answer, in float64."""
    nats, entropy = np.empty(len(targets)), np.empty(len(targets))
    for start in range(0, len(targets), 4096):
        rows = slice(start, start + 4096)
        part = logits[rows].astype(np.float64)
        part -= part.max(axis=1, keepdims=True)
        powers = np.exp(part)
        total = powers.sum(axis=1)
        nats[rows] = np.log(total) - part[np.arange(len(part)), targets[rows]]
        entropy[rows] = np.log(total) - (powers * part).sum(axis=1) / total
    return nats, entropy
