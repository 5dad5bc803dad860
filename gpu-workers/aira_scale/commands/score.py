"""`score`: zero-shot accuracies of a trained model on rows of one task; zeroshot/ says by which formulas.

Prints one line of JSON: {"task", "items", "acc", "accNorm" (null for WinoGrande), "correct": [0 | 1, ...], "correctNorm": [...] | null}.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from aira_workers.errors import InvalidCandidate

from ..zeroshot.tasks import TASKS, WITHOUT_NORM, item_of


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aira_scale score")
    parser.add_argument("--model", type=Path, required=True, help="a folder models/<budget> of a run")
    parser.add_argument(
        "--data", type=Path, required=True, help="the data folder that it was trained on, for its tokenizer"
    )
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    parser.add_argument("--items", type=Path, required=True, help="rows of the data set as JSON lines")
    parser.add_argument("--window", type=int, default=2048, help="tokens that the model sees at once (default: 2048)")
    options = parser.parse_args(arguments)
    try:
        print(json.dumps(score_file(options.model, options.data, options.task, options.items, options.window)))
    except (InvalidCandidate, OSError) as error:
        print(f"aira_scale: {error}", file=sys.stderr)
        return 1
    return 0


def score_file(model: Path, data: Path, task: str, items: Path, window: int) -> dict[str, Any]:
    """The figures above; raises InvalidCandidate naming the line that is wrong."""
    import torch

    from ..data.tokenizer import Codec
    from ..export.write import load_trained
    from ..zeroshot.scorer import score

    torch.set_num_threads(1)
    rows = []
    for number, line in enumerate(items.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                rows.append(item_of(task, json.loads(line)))
            except (ValueError, InvalidCandidate) as error:
                raise InvalidCandidate(f"{items} line {number}: {error}") from error
    if not rows:
        raise InvalidCandidate(f"{items} holds no rows")
    _, trained = load_trained(model)
    codec = Codec((data / "tokenizer.json").read_text(encoding="utf-8"))
    if codec.vocabulary != trained.spec.vocabulary:
        raise InvalidCandidate(f"the tokenizer has {codec.vocabulary} tokens, the model {trained.spec.vocabulary}")
    scored = [score(trained, codec, item, window) for item in rows]
    normed = task not in WITHOUT_NORM
    return {
        "task": task,
        "items": len(scored),
        "acc": sum(one.correct for one in scored) / len(scored),
        "accNorm": sum(one.correct_norm for one in scored) / len(scored) if normed else None,
        "correct": [one.correct for one in scored],
        "correctNorm": [one.correct_norm for one in scored] if normed else None,
    }
