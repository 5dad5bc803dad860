"""Language modelling: documents in, documents and rows out."""

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from aira_design.autoresearch.asking import group_size
from aira_design.autoresearch.packing import Packer
from aira_design.autoresearch.rows import positions
from aira_design.layout import load, save, write_json
from aira_design.settings import AutoresearchSettings

from .shares import divided_at


def _documents(prepared: Path) -> list[np.ndarray]:
    tokens, starts = load(prepared / "train", "tokens"), load(prepared / "train", "documents")
    return [tokens[begin:end] for begin, end in zip(starts, starts[1:])]


def _save(folder: Path, documents: list[np.ndarray]) -> None:
    save(folder, tokens=np.concatenate(documents), documents=np.cumsum([0] + [len(one) for one in documents]))


def _divided(prepared: Path, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    documents = _documents(prepared)
    order = np.random.default_rng([seed, len(documents)]).permutation(len(documents))
    first = divided_at(len(documents))
    return [[documents[index] for index in np.sort(part)] for part in (order[:first], order[first:])]


def split(settings: AutoresearchSettings, prepared: Path, seed: int, rows: int, out: Path) -> dict[str, Any]:
    """Write train/, and hidden/ with rows of other training documents; return what the manifest says of them."""
    data = settings.data
    train, apart = _divided(prepared, seed)
    _save(out / "train", train)
    shutil.copyfile(prepared / "train" / "tokenizer.json", out / "train" / "tokenizer.json")
    packer = Packer(iter(apart), data.packing)
    packed: list[np.ndarray] = []
    while len(packed) < min(rows, data.validation_rows):
        row = np.zeros(data.length + 1, dtype=np.uint16)
        if not packer.fill(row):
            break
        packed.append(row)
    if len(packed) < 2:
        raise ValueError("the documents that are set apart do not fill two rows")
    rng = np.random.default_rng([seed, len(packed)])
    asked = positions(data, len(packed), rng)
    first = group_size(len(packed), len(asked))
    again = rng.choice(first, min(settings.probes, first // 2), replace=False)
    save(out / "hidden", token_bytes=load(prepared / "hidden", "token_bytes"))
    save(out / "hidden", validation_rows=np.stack(packed), validation_asked=asked, validation_again=again)
    (out / "validation").mkdir(parents=True)
    write_json(out / "validation" / "sizes.json", {"rows": len(packed), "asked_per_row": data.asked_per_row})
    share = {"share": len(packed) / data.validation_rows}
    return {"splits": {"validation": share, "test": share}}


def shortened(settings: dict[str, Any], share: float) -> dict[str, Any]:
    """The settings with `share` of the tokens, seconds and FLOPs that a script is served and plans with."""
    found = copy.deepcopy(settings)
    script = found["script"]
    script["tokens"] = max(1, round(script["tokens"] * share))
    script["seconds"], script["flops"] = script["seconds"] * share, script["flops"] * share
    return found


def for_script(settings: AutoresearchSettings, prepared: Path, seed: int, out: Path) -> None:
    """Write train/ and apart/, each with `tokens` and `documents`, and tokenizer.json: training text, divided."""
    for folder, documents in zip(("train", "apart"), _divided(prepared, seed)):
        _save(out / folder, documents)
    shutil.copyfile(prepared / "train" / "tokenizer.json", out / "tokenizer.json")
