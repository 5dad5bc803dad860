"""Preparing the text: a trusted step."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ..layout import SPLITS, save, write_json
from ..randomness import stream
from ..settings import AutoresearchSettings
from .asking import group_size
from .rows import documents, pack, positions, tokenizer, training_text

STATE = "state.pt"
"""The one file that passes from training to prediction, so that all that passes is counted: its bytes."""


def prepare(settings: AutoresearchSettings, seed: int, secret: bytes | None, root: Path | None, out: Path) -> dict:
    """Write train/ (tokens of all documents in one array), and hidden/ with the rows of the other splits."""
    data = settings.data
    texts = training_text(data, documents(data, "train", seed, secret, root))
    tokens = tokenizer(data, texts)
    encoded = [tokens.encode(one) for one in texts]
    starts = np.cumsum([0] + [len(one) for one in encoded])
    save(out / "train", tokens=np.concatenate(encoded), documents=starts)
    write_json(out / "train" / "tokenizer.json", {"merges": tokens.merges})
    save(out / "hidden", token_bytes=tokens.token_bytes())
    splits = {}
    for split in SPLITS:
        count = data.validation_rows if split == "validation" else data.test_rows
        rows = pack(documents(data, split, seed, secret, root), tokens, count, data.length + 1, data.packing)
        rng = stream(f"autoresearch-{split}-positions", seed, secret)
        asked = positions(data, count, rng)
        first = group_size(count, len(asked))
        again = rng.choice(first, min(settings.probes, first // 2), replace=False)
        save(out / "hidden", **{f"{split}_rows": rows, f"{split}_asked": asked, f"{split}_again": again})
        (out / split).mkdir(parents=True, exist_ok=True)
        write_json(out / split / "sizes.json", {"rows": count, "asked_per_row": data.asked_per_row})
        # The budget's time of a prediction is that of the validation split.
        splits[split] = {"share": count / data.validation_rows}
    start, start_wall = _start_seconds()
    return {"splits": splits, "state": [STATE], "start": start, "start_wall": start_wall}


_START = "import numpy, torch; torch.zeros(1, device='cuda' if torch.cuda.is_available() else 'cpu')"


def _start_seconds() -> tuple[float, float]:
    """Processor and wall-clock seconds of a Python that imports what every script imports, and begins to use the device."""
    used, began = _children(), time.monotonic()
    subprocess.run([sys.executable, "-c", _START], check=True, stdin=subprocess.DEVNULL)
    return _children() - used, time.monotonic() - began


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
