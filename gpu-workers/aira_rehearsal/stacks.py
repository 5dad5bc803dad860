"""Proxy trainings of stacks: the rows that a script of an agent may see, and what `aira_stack` needs to build a network.

The score of a proxy may be taken on its training rows, before it learns from them, so rows of an evaluation's seed are hidden
rows. Generated rows are therefore drawn from a seed that no evaluation has; of imported text, training text is divided where
the score is taken on other text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from aira_design.layout import save, write_json
from aira_primitives.discover import discover
from aira_workers.mad import TASK_NAMES, generate
from aira_workers.proxies import (
    JointSettings,
    LadderSettings,
    LanguageSettings,
    RepeatedSettings,
    SeparateSettings,
    parse_settings,
)
from aira_workers.proxies.blocks import GENERATED, blocks
from aira_workers.proxies.joint import in_range
from aira_workers.proxies.separate import start_of

from .shares import divided_at

Drawn = tuple[np.ndarray, np.ndarray]  # inputs and targets, (count, length)


def for_script(given: dict[str, Any], seed: int, most: int, own: Sequence[str], out: Path) -> None:
    """Write train/<task>/ and apart/<task>/ with `inputs` and `targets`, at most `most` rows of a task in all; stack.json; and
    primitives/, the sources of the primitives `own` as they were hashed.

    Raises ValueError where every row that there is may be scored, InvalidCandidate for settings, text or primitives at fault.
    """
    settings = parse_settings(given)
    if isinstance(settings, (RepeatedSettings, LadderSettings)):
        settings = settings.training  # of a ladder, the baselines of the tasks
    if isinstance(settings, JointSettings):
        facts = _joint(settings, seed, most, out)
    elif isinstance(settings, LanguageSettings):
        facts = _language(settings, seed, most, out)
    else:
        facts = _separate(settings, seed, most, out)
    digests = _primitives(own, out / "primitives")
    write_json(out / "stack.json", {"model": asdict(settings.model), **facts, "primitives": digests})


def _divide(task: str, count: int, learned: Drawn, scored: Drawn, out: Path) -> None:
    first = divided_at(count)
    for part, (inputs, targets), rows in (("train", learned, slice(first)), ("apart", scored, slice(first, None))):
        save(out / part / task, inputs=inputs[rows].astype(np.int32), targets=targets[rows].astype(np.int32))


def _joint(settings: JointSettings, seed: int, most: int, out: Path) -> dict[str, Any]:
    """One network; each task has a token range of its own, and compression is rebuilt by the decoder."""
    sizes = vars(settings.tasks)
    offsets = np.cumsum([0, *(one.vocabulary for one in sizes.values())])
    count = min(most, settings.steps * settings.sequences_per_task)
    for (name, one), offset in zip(sizes.items(), offsets):
        data = generate(name, one, seed, "train", count, "recall")
        drawn = in_range(data.inputs, data.targets, one.length, int(offset))
        _divide(name, count, drawn, drawn, out)
    network = _network(int(offsets[-1]), "learned-code", settings.tasks.recall.length, "fan-in", False)
    training = ("steps", "sequences_per_task")
    return {
        "networks": {"joint": network},
        "tasks": {name: {"network": "joint", "decoded": name == "compression"} for name in TASK_NAMES},
        "recipe": _recipe(settings, training),
    }


def _separate(settings: SeparateSettings, seed: int, most: int, out: Path) -> dict[str, Any]:
    """A network per task. Recall tasks train on every next token, and are scored at recall positions."""
    networks: dict[str, Any] = {}
    count = min(most, settings.train_samples)
    for name, one in vars(settings.tasks).items():
        learned, scored = (generate(name, one, seed, "train", count, asked) for asked in ("next", "recall"))
        _divide(name, count, learned, scored, out)
        decoder = "sinusoidal" if name == "compression" else "none"
        networks[name] = _network(
            one.vocabulary, decoder, learned.inputs.shape[1], start_of(name), settings.bfloat16_on_cuda
        )
    return {
        "networks": networks,
        "tasks": {name: {"network": name, "decoded": name == "compression"} for name in TASK_NAMES},
        "recipe": _recipe(settings, ("epochs", "batch", "train_samples")),
    }


def _language(settings: LanguageSettings, seed: int, most: int, out: Path) -> dict[str, Any]:
    data = settings.data
    if data.corpus != GENERATED and settings.score == "prequential":
        raise ValueError("this task is scored on its training text, which a script may not read")
    count = min(most, settings.steps * settings.batch)
    drawn = seed if data.corpus == GENERATED else 0  # imported text is the same for every seed
    text = blocks(data.corpus, data.document_bytes, data.vocabulary, drawn, "train", count, data.length + 1)
    pair = (text[:, :-1], text[:, 1:])
    _divide("language", count, pair, pair, out)
    return {
        "networks": {"language": _network(data.vocabulary, "none", 0, "fan-in", False)},
        "tasks": {"language": {"network": "language", "decoded": False}},
        "recipe": _recipe(settings, ("steps", "batch")),
    }


def _network(vocabulary: int, decoder: str, decoder_length: int, start: str, bfloat16_on_cuda: bool) -> dict[str, Any]:
    return {
        "vocabulary": vocabulary,
        "decoder": decoder,
        "decoder_length": decoder_length,
        "start": start,
        "bfloat16_on_cuda": bfloat16_on_cuda,
    }


def _recipe(settings: Any, lengths: Iterable[str]) -> dict[str, Any]:
    return {"optimiser": asdict(settings.optimiser), **{name: getattr(settings, name) for name in lengths}}


def _primitives(own: Sequence[str], folder: Path) -> dict[str, str]:
    """Digests by name. Modules of packages stay where they are: the sandbox shows what is installed."""
    folder.mkdir()
    found = discover() if own else None
    digests = {}
    for token in own:
        one = found.get(token)
        digests[token] = one.digest
        if one.module is None:
            (folder / f"{token}.py").write_bytes(one.sources[0][1])
    return digests
