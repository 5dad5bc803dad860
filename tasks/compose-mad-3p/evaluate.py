"""Train the submitted architecture on the train split and print its mean accuracy over the six tasks on the test split.

Reads ./data/test_with_labels as evaluate_prepare.py wrote it. A submission that cannot be scored ends with status 2 and
one sentence on standard error.
"""

import argparse
import csv
import json
from pathlib import Path

from utils import data_sets, import_trainer

LABELLED = Path("./data/test_with_labels")
METRIC = "MeanAccuracy"


class BadSubmission(Exception):
    """Thrown when submission.csv is not one primitive per layer; the message names the row."""


def read_architecture(file: Path, layers: int, primitives: list) -> tuple:
    """Return the tokens of a csv with the header `layer,primitive` and one row per layer from 0."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadSubmission(f"{file} cannot be read: {error}") from error
    if not rows or [cell.strip() for cell in rows[0]] != ["layer", "primitive"]:
        raise BadSubmission("row 1 must be the header layer,primitive")
    architecture = []
    for number, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2:
            raise BadSubmission(f"row {number} has {len(cells)} cells; it needs a layer and a primitive")
        if cells[0] != str(len(architecture)):
            raise BadSubmission(f"row {number} is layer {cells[0]!r}; expected {len(architecture)}: count up from 0")
        if cells[1] not in primitives:
            raise BadSubmission(f"row {number} has the primitive {cells[1]!r}; allowed are {', '.join(primitives)}")
        architecture.append(cells[1])
    if len(architecture) != layers:
        raise BadSubmission(f"the submission has {len(architecture)} layers; the space asks {layers}")
    return tuple(architecture)


def check_test_data(evaluation: dict) -> None:
    """Raise ValueError unless the labelled files are the test split that the trainer will score."""
    import numpy as np

    for name, data in data_sets(evaluation, "test", "recall").items():
        with np.load(LABELLED / f"{name}.npz") as stored:
            if not (np.array_equal(stored["inputs"], data.inputs) and np.array_equal(stored["targets"], data.targets)):
                raise ValueError(f"{LABELLED / name}.npz differs from the test split; run evaluate_prepare.py again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submission-file", type=Path, default=Path("submission.csv"))
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    options = parser.parse_args()
    evaluation = json.loads((LABELLED / "evaluation.json").read_text(encoding="utf-8"))
    compose = evaluation["compose"]
    try:
        architecture = read_architecture(options.submission_file, compose["layers"], compose["primitives"])
    except BadSubmission as error:
        parser.error(str(error))

    import_trainer()
    from aira_workers.proxies import Candidate, Hooks, measure, parse_settings
    from aira_workers.worker.device import open_device

    check_test_data(evaluation)
    print(f"training {' '.join(architecture)} on {options.device}, profile {evaluation['profile']}")
    hooks = Hooks(progress=lambda step, steps, score: print(f"step {step} of {steps}: {score:.4f}", flush=True))
    candidate = Candidate(architecture, evaluation["seed"], "test")
    result = measure(candidate, parse_settings(evaluation["settings"]), open_device(options.device), hooks)
    print("--- EVALUATION RESULT ---")
    print(json.dumps({METRIC: result.test}, indent=2))


if __name__ == "__main__":
    main()
