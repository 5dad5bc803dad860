"""`score`: zero-shot accuracies of a trained model on rows of tasks, by lm-evaluation-harness or by its twin (zeroshot/).

Prints a line of JSON after each --items: {"task", "items", "acc", "accNorm" (null for WinoGrande), "correct": [0 | 1, ...],
"correctNorm": [...] | null, "scorer": the harness with its version, or "twin"}. All rows are read before the model is, which is loaded once.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aira_workers.errors import InvalidCandidate

from ..zeroshot.harness import load_with_harness, missing, score_with_harness
from ..zeroshot.tasks import TASKS, WITHOUT_NORM, Item, item_of


@dataclass(frozen=True)
class Asked:
    """Rows of one file, and what their task makes of each."""

    task: str
    rows: list[Any]
    items: list[Item]


Score = Callable[[Asked], dict[str, Any]]
"""The figures above."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aira_scale score")
    parser.add_argument("--model", type=Path, required=True, help="a folder models/<budget> of a run")
    parser.add_argument(
        "--data", type=Path, required=True, help="the data folder that it was trained on, for its tokenizer"
    )
    parser.add_argument(
        "--items",
        metavar="TASK=FILE",
        action="append",
        required=True,
        help=f"rows of the data set of a task as JSON lines, repeatable; tasks: {', '.join(sorted(TASKS))}",
    )
    parser.add_argument("--window", type=int, default=2048, help="tokens that the model sees at once (default: 2048)")
    parser.add_argument(
        "--scorer",
        choices=("auto", "harness", "twin"),
        default="auto",
        help="lm-evaluation-harness on an export, or the twin; auto: the harness where it is installed",
    )
    options = parser.parse_args(arguments)
    figures = sys.stdout
    try:
        asked = [_asked(text) for text in options.items]
        # Libraries print to stdout, where only the figures belong.
        with redirect_stdout(sys.stderr), _scorer(options.scorer)(options.model, options.data, options.window) as score:
            for each in asked:
                print(json.dumps(score(each)), file=figures, flush=True)
    except (InvalidCandidate, OSError) as error:
        print(f"aira_scale: {error}", file=sys.stderr)
        return 1
    return 0


def _scorer(name: str):
    """A context that loads a model and gives its Score; raises InvalidCandidate for `harness` where its packages are missing."""
    lacking = missing()
    if name == "harness" and lacking:
        raise InvalidCandidate(f"the harness needs the Python packages {', '.join(lacking)}")
    return _twin if name == "twin" or lacking else _harness


@contextmanager
def _twin(model: Path, data: Path, window: int) -> Iterator[Score]:
    import torch

    from ..data.tokenizer import Codec
    from ..export.write import load_trained
    from ..zeroshot.scorer import score

    torch.set_num_threads(1)
    _, trained = load_trained(model)
    codec = Codec((data / "tokenizer.json").read_text(encoding="utf-8"))
    if codec.vocabulary != trained.spec.vocabulary:
        raise InvalidCandidate(f"the tokenizer has {codec.vocabulary} tokens, the model {trained.spec.vocabulary}")

    def figures(asked: Asked) -> dict[str, Any]:
        scored = [score(trained, codec, item, window) for item in asked.items]
        normed = asked.task not in WITHOUT_NORM
        return {
            "task": asked.task,
            "items": len(scored),
            "acc": sum(one.correct for one in scored) / len(scored),
            "accNorm": sum(one.correct_norm for one in scored) / len(scored) if normed else None,
            "correct": [one.correct for one in scored],
            "correctNorm": [one.correct_norm for one in scored] if normed else None,
            "scorer": "twin",
        }

    yield figures


@contextmanager
def _harness(model: Path, data: Path, window: int) -> Iterator[Score]:
    with tempfile.TemporaryDirectory() as place:
        # Read when the libraries are imported: nothing is downloaded, nothing is left behind.
        os.environ.update(
            HF_DATASETS_OFFLINE="1",
            HF_HUB_OFFLINE="1",
            TRANSFORMERS_OFFLINE="1",
            HF_DATASETS_CACHE=f"{place}/datasets",
            HF_MODULES_CACHE=f"{place}/modules",
        )
        from ..export.write import export

        export(model, data / "tokenizer.json", Path(place) / "model", "auto", window, {})
        loaded = load_with_harness(Path(place) / "model", window)
        yield lambda asked: score_with_harness(loaded, asked.task, asked.rows)


def _asked(text: str) -> Asked:
    """What TASK=FILE names; raises InvalidCandidate naming the task or the line that is wrong."""
    task, _, path = text.partition("=")
    if task not in TASKS:
        raise InvalidCandidate(f"there is no zero-shot task {task}; there are {', '.join(sorted(TASKS))}")
    rows, items = [], []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
                items.append(item_of(task, rows[-1]))
            except (ValueError, InvalidCandidate) as error:
                raise InvalidCandidate(f"{path} line {number}: {error}") from error
    if not rows:
        raise InvalidCandidate(f"{path} holds no rows")
    return Asked(task, rows, items)
