"""`score`: zero-shot accuracies of a trained model on rows of one task, by lm-evaluation-harness or by its twin (zeroshot/).

Prints one line of JSON: {"task", "items", "acc", "accNorm" (null for WinoGrande), "correct": [0 | 1, ...], "correctNorm": [...] | null,
"scorer": the harness with its version, or "twin"}.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from aira_workers.errors import InvalidCandidate

from ..zeroshot.harness import missing, score_with_harness
from ..zeroshot.tasks import TASKS, WITHOUT_NORM, Item, item_of


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aira_scale score")
    parser.add_argument("--model", type=Path, required=True, help="a folder models/<budget> of a run")
    parser.add_argument(
        "--data", type=Path, required=True, help="the data folder that it was trained on, for its tokenizer"
    )
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    parser.add_argument("--items", type=Path, required=True, help="rows of the data set as JSON lines")
    parser.add_argument("--window", type=int, default=2048, help="tokens that the model sees at once (default: 2048)")
    parser.add_argument(
        "--scorer",
        choices=("auto", "harness", "twin"),
        default="auto",
        help="lm-evaluation-harness on an export, or the twin; auto: the harness where it is installed",
    )
    options = parser.parse_args(arguments)
    scorer = options.scorer
    lacking = missing()
    if scorer == "auto":
        scorer = "twin" if lacking else "harness"
    score = harness_file if scorer == "harness" else score_file
    try:
        if scorer == "harness" and lacking:
            raise InvalidCandidate(f"the harness needs the Python packages {', '.join(lacking)}")
        # Libraries print to stdout, where only the figures belong.
        with contextlib.redirect_stdout(sys.stderr):
            found = score(options.model, options.data, options.task, options.items, options.window)
    except (InvalidCandidate, OSError) as error:
        print(f"aira_scale: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


def score_file(model: Path, data: Path, task: str, items: Path, window: int) -> dict[str, Any]:
    """The figures above by the twin; raises InvalidCandidate naming the line that is wrong."""
    import torch

    from ..data.tokenizer import Codec
    from ..export.write import load_trained
    from ..zeroshot.scorer import score

    torch.set_num_threads(1)
    _, read = _rows(task, items)
    _, trained = load_trained(model)
    codec = Codec((data / "tokenizer.json").read_text(encoding="utf-8"))
    if codec.vocabulary != trained.spec.vocabulary:
        raise InvalidCandidate(f"the tokenizer has {codec.vocabulary} tokens, the model {trained.spec.vocabulary}")
    scored = [score(trained, codec, item, window) for item in read]
    normed = task not in WITHOUT_NORM
    return {
        "task": task,
        "items": len(scored),
        "acc": sum(one.correct for one in scored) / len(scored),
        "accNorm": sum(one.correct_norm for one in scored) / len(scored) if normed else None,
        "correct": [one.correct for one in scored],
        "correctNorm": [one.correct_norm for one in scored] if normed else None,
        "scorer": "twin",
    }


def harness_file(model: Path, data: Path, task: str, items: Path, window: int) -> dict[str, Any]:
    """The figures above by lm-evaluation-harness on a checked export; raises InvalidCandidate as `score_file` and `export`."""
    rows, _ = _rows(task, items)
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
        return score_with_harness(Path(place) / "model", task, rows, window)


def _rows(task: str, items: Path) -> tuple[list[Any], list[Item]]:
    """Rows and what the task makes of them; raises InvalidCandidate naming the line that is wrong."""
    rows, read = [], []
    for number, line in enumerate(items.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
                read.append(item_of(task, rows[-1]))
            except (ValueError, InvalidCandidate) as error:
                raise InvalidCandidate(f"{items} line {number}: {error}") from error
    if not rows:
        raise InvalidCandidate(f"{items} holds no rows")
    return rows, read
