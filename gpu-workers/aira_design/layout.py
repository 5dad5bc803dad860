"""The files that pass between the steps."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from .failures import CandidateFailure

PREDICTIONS = "predictions.f32"
FAILURE = "failure.json"
NUMBERS, NAMES = "state.f32", "state.json"
SPLITS = ("validation", "test")


def write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def save(folder: Path, **arrays: np.ndarray) -> None:
    """Write each array as `folder/<name>.npy`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def load(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / f"{name}.npy", allow_pickle=False)


def expected(shape: tuple[int, ...]) -> dict:
    """The manifest's entry for predictions of this shape."""
    return {"file": PREDICTIONS, "shape": list(shape), "dtype": "<f4", "bytes": 4 * int(np.prod(shape))}


def write_predictions(out: Path, predictions: np.ndarray) -> None:
    (out / PREDICTIONS).write_bytes(np.ascontiguousarray(predictions, dtype="<f4").tobytes())


def read_predictions(file: Path, entry: dict) -> np.ndarray:
    """Return what an untrusted process left, as float32 of the manifest's shape.

    Raises CandidateFailure: `tampered` for anything but a plain file of one name, `invalid` for a wrong size, `nan` for
    a value that is not finite. Never follows a link, never blocks on a pipe, never reads more than is expected.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise CandidateFailure("invalid", f"the program left no {PREDICTIONS}") from error
    except OSError as error:
        raise CandidateFailure("tampered", f"{PREDICTIONS} is not a plain file") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise CandidateFailure("tampered", f"{PREDICTIONS} is not a plain file of one name")
    with os.fdopen(descriptor, "rb") as stream:
        if found.st_size != entry["bytes"]:
            raise CandidateFailure("invalid", f"{PREDICTIONS} has {found.st_size} bytes; expected {entry['bytes']}")
        content = stream.read(entry["bytes"] + 1)
    if len(content) != entry["bytes"]:
        raise CandidateFailure("tampered", f"{PREDICTIONS} changed while it was read")
    predictions = np.frombuffer(content, dtype="<f4").reshape(entry["shape"])
    if not np.isfinite(predictions).all():
        raise CandidateFailure("nan", "a prediction is not a finite number")
    return predictions
