"""Scripts of the Compose tasks: the submission is a csv with the header `layer,primitive` and one row per layer from 0."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np

from .directory import (
    LABELLED,
    SEED,
    SUBMISSION,
    BadSubmission,
    evaluation_flags,
    load_metadata,
    load_settings,
    preparation_flags,
    print_result,
    stop,
    write_json,
)

Arrays = dict[str, dict[str, np.ndarray]]


def prepare(task: Path) -> None:
    """prepare.py: the train split, the test inputs without targets, and the search space."""
    options = preparation_flags("Write the train split, the test inputs without targets, and the search space.")
    settings = load_settings(task, options.profile)
    _data_folder(options.global_shared_data_dir)
    mount = options.agent_data_mount_dir
    for split in ("train", "test"):
        (mount / split).mkdir(exist_ok=True)
        for name, arrays in data_sets(settings, SEED, split).items():
            visible = arrays if split == "train" else {"inputs": arrays["inputs"]}
            np.savez_compressed(mount / split / f"{name}.npz", **visible)
    write_json(mount / "space.json", load_metadata(task)["compose"])
    print(f"prepared profile {options.profile}")


def evaluate_prepare(task: Path) -> None:
    """evaluate_prepare.py: test inputs with targets and the training settings; fetches the submission."""
    options = preparation_flags("Write what only the scorer may see, and fetch the submission.")
    settings = load_settings(task, options.profile)
    _data_folder(options.global_shared_data_dir)
    labelled = options.agent_data_mount_dir / LABELLED
    labelled.mkdir(exist_ok=True)
    for name, arrays in data_sets(settings, SEED, "test").items():
        np.savez_compressed(labelled / f"{name}.npz", **arrays)
    evaluation = {
        "profile": options.profile,
        "seed": SEED,
        "settings": settings,
        "compose": load_metadata(task)["compose"],
        "data": str(options.global_shared_data_dir.resolve()),
    }
    write_json(labelled / "evaluation.json", evaluation)
    if options.agent_log_dir is not None:
        submission = options.agent_log_dir / SUBMISSION
        if not submission.is_file():
            stop(f"{submission} does not exist: the agent left no submission")
        shutil.copyfile(submission, options.agent_data_mount_dir / SUBMISSION)


def evaluate(task: Path) -> None:
    """evaluate.py: train the submitted architecture and print its score; status 2 when it cannot be scored."""
    options = evaluation_flags("Train the submitted architecture on the train split and score it on the test split.")
    labelled = Path("data") / LABELLED
    evaluation = json.loads((labelled / "evaluation.json").read_text(encoding="utf-8"))
    try:
        architecture = read_architecture(options.submission_file, **evaluation["compose"])
    except BadSubmission as error:
        stop(f"evaluate.py: {error}", 2)

    from aira_workers.proxies import Candidate, Hooks, measure, parse_settings
    from aira_workers.worker.device import open_device

    _data_folder(Path(evaluation["data"]))
    _check_test_data(labelled, evaluation)
    print(f"training {' '.join(architecture)} on {options.device}, profile {evaluation['profile']}")
    hooks = Hooks(progress=lambda step, steps, score: print(f"step {step} of {steps}: {score:.4f}", flush=True))
    candidate = Candidate(architecture, evaluation["seed"], "test")
    result = measure(candidate, parse_settings(evaluation["settings"]), open_device(options.device), hooks)
    print_result(load_metadata(task)["logging_info"]["metric"], result.test)


def read_architecture(file: Path, layers: int, primitives: list) -> tuple:
    """Return the tokens of a submission; raises BadSubmission naming the row that is wrong."""
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


def data_sets(settings: dict, seed: int, split: str) -> Arrays:
    """The arrays `inputs` and `targets` of one split by name: exactly the sequences that are trained or scored on.

    Of a repeated training those of the first run: the others have their own seeds, and so their own sequences.
    """
    from aira_workers.proxies import LanguageSettings, RepeatedSettings, parse_settings

    parsed = parse_settings(settings)
    if isinstance(parsed, RepeatedSettings):
        parsed = parsed.training
    if isinstance(parsed, LanguageSettings):
        return {"text": _text(parsed, seed, split)}
    return _synthetic(parsed, seed, split)


def _synthetic(settings, seed: int, split: str) -> Arrays:
    from aira_workers.mad import generate
    from aira_workers.proxies import JointSettings

    joint = isinstance(settings, JointSettings)
    if split == "test":
        count, targets = settings.test_samples, "recall"
    elif joint:
        count, targets = settings.steps * settings.sequences_per_task, "recall"
    else:
        count, targets = settings.train_samples, "next"
    found = {}
    for name, sizes in vars(settings.tasks).items():
        data = generate(name, sizes, seed, split, count, targets)
        found[name] = {"inputs": data.inputs, "targets": data.targets}
    return found


def _text(settings, seed: int, split: str) -> dict[str, np.ndarray]:
    from aira_workers.proxies.blocks import blocks

    data = settings.data
    count = data.test_blocks if split == "test" else settings.steps * settings.batch
    found = blocks(data.corpus, data.document_bytes, data.vocabulary, seed, split, count, data.length + 1)
    # The inputs of a test block contain all its targets but one, so an agent sees only first halves, as a sample of the text.
    if split == "test":
        return {"inputs": found[:, : data.length // 2], "targets": found}
    return {"inputs": found[:, :-1], "targets": found[:, 1:]}


def _check_test_data(labelled: Path, evaluation: dict) -> None:
    """Raise ValueError unless the labelled files are the test split that the trainer will score."""
    for name, arrays in data_sets(evaluation["settings"], evaluation["seed"], "test").items():
        with np.load(labelled / f"{name}.npz") as stored:
            if not all(np.array_equal(stored[key], array) for key, array in arrays.items()):
                raise ValueError(f"{labelled / name}.npz differs from the test split; run evaluate_prepare.py again")


def _data_folder(folder: Path) -> None:
    from aira_workers.proxies.blocks import DATA_VARIABLE

    os.environ[DATA_VARIABLE] = str(folder)
