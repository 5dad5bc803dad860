"""The six tasks by lm-evaluation-harness itself, on an exported directory and rows that a person has imported.

Prompts, metrics and tokenisation are the harness's: its own task files, with the data set replaced by a local file of JSON lines in
the keys of the published one. Nothing is downloaded.
"""

import json
import re
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aira_workers.errors import InvalidCandidate

from .tasks import WITHOUT_NORM

PACKAGES = ("lm_eval", "accelerate", "datasets", "transformers", "safetensors")
_FOLDERS = {"arc_easy": "arc", "arc_challenge": "arc"}
"""Folders of task files; the others are named after their task."""


def missing() -> list[str]:
    """Packages that the harness needs and this Python lacks."""
    return [name for name in PACKAGES if find_spec(name) is None]


def harness_name() -> str:
    """The harness with its version, as it is recorded."""
    try:
        return f"lm-evaluation-harness {version('lm_eval')}"
    except PackageNotFoundError:
        return "lm-evaluation-harness"


def load_with_harness(directory: Path, window: int) -> Any:
    """The harness's own view of an exported directory, on a GPU where there is one."""
    import torch
    from lm_eval.models.huggingface import HFLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return HFLM(pretrained=str(directory), dtype="float32", max_length=window, trust_remote_code=True, device=device)


def score_with_harness(loaded: Any, task: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of a loaded model on one task, in the form of `commands/score.py`; raises InvalidCandidate without its task file."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as place:
        items, tasks = Path(place) / "items.jsonl", Path(place) / "tasks"
        items.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tasks.mkdir()
        name = f"aira_{task}"
        # The harness reads a key of the file over that of the file it includes.
        described = {
            "include": str(_task_file(Path(lm_eval.__file__).parent / "tasks", task)),
            "task": name,
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": {"validation": str(items)}, "cache_dir": str(Path(place) / "cache")},
            "training_split": None,
            "validation_split": "validation",
            "test_split": None,
        }
        # JSON is YAML.
        (tasks / f"{name}.yaml").write_text(json.dumps(described), encoding="utf-8")
        found = lm_eval.simple_evaluate(
            model=loaded,
            tasks=[name],
            task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
            bootstrap_iters=0,
        )
    results, samples = found["results"][name], sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    normed = task not in WITHOUT_NORM
    return {
        "task": task,
        "items": len(samples),
        "acc": results["acc,none"],
        "accNorm": results["acc_norm,none"] if normed else None,
        "correct": [int(sample["acc"]) for sample in samples],
        "correctNorm": [int(sample["acc_norm"]) for sample in samples] if normed else None,
        "scorer": harness_name(),
    }


def _task_file(folder: Path, task: str) -> Path:
    named = re.compile(rf"^task:\s*{re.escape(task)}\s*$", re.MULTILINE)
    for path in sorted((folder / _FOLDERS.get(task, task)).glob("*.yaml")):
        if named.search(path.read_text(encoding="utf-8")):
            return path
    raise InvalidCandidate(f"this lm-evaluation-harness has no task {task}")
