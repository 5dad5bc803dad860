"""Long Range Arena: rows in, rows out."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from aira_design.layout import expected, load, read_json, save
from aira_design.lra.data import Split, splits
from aira_design.lra.host import with_probes
from aira_design.settings import LraSettings

from .shares import divided_at

_SCRIPT_SECRET = b"rows for scripts of agents, not those of the evaluator"
"""An agent's script may read rows that the evaluator never trains on: who knows a training row can read the embedding off it."""


def split(settings: LraSettings, prepared: Path, seed: int, rows: int, out: Path) -> dict[str, Any]:
    """Write train/ and, from other training rows, validation/ and its targets; return what the manifest says of them."""
    inputs, targets = load(prepared / "train", "inputs"), load(prepared / "train", "targets")
    rng = np.random.default_rng([seed, len(targets)])
    order = rng.permutation(len(targets))
    first = divided_at(len(targets))
    train, apart = np.sort(order[:first]), np.sort(order[first:][:rows])
    save(out / "train", inputs=inputs[train], targets=targets[train])
    asked = Split(inputs[apart], targets[apart])
    shown, wanted, twins = with_probes(asked, min(settings.probes, len(apart)), rng)
    save(out / "validation", inputs=shown)
    save(out / "hidden", validation_targets=wanted, validation_twins=twins)
    shape = expected((len(shown), settings.data.classes))
    start = int(np.random.default_rng([read_json(prepared / "manifest.json")["start"], seed]).integers(2**62))
    return {"splits": {"validation": shape, "test": shape}, "floors": {"validation": {}, "test": {}}, "start": start}


def shortened(settings: dict[str, Any], share: float) -> dict[str, Any]:
    """The settings with `share` of the steps; the warm-up is at most a quarter of them."""
    found = copy.deepcopy(settings)
    training = found["training"]
    training["steps"] = max(1, round(training["steps"] * share))
    training["warmup"] = max(1, min(training["warmup"], training["steps"] // 4))
    return found


def for_script(settings: LraSettings, prepared: Path, seed: int, out: Path) -> None:
    """Write train/ and apart/ with `inputs` and `targets`: rows of the same kind, drawn apart. Raises ValueError without a generator."""
    data = settings.data
    if data.source == "files":
        raise ValueError("the rows of this task are imported, and a script may not read them")
    total = min(data.train, len(load(prepared / "train", "targets")))
    first = divided_at(total)
    own = dataclasses.replace(data, train=first, validation=total - first, test=1)
    found = splits(own, seed, _SCRIPT_SECRET, None)
    for folder, name in (("train", "train"), ("apart", "validation")):
        save(out / folder, inputs=found[name].inputs, targets=found[name].targets)
