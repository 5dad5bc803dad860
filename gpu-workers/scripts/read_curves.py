"""Read what learning_curves.py wrote: how well each prefix of the trainings tells the architectures apart.

    python3 gpu-workers/scripts/read_curves.py build/long.npz [build/other.npz ...]

Per file and prefix: ratio and rank correlation of single trainings (separation.py), for accuracy and loss over the whole
prefix, for accuracy over its last half, and for the accuracy of each task; then the ratio of every mean of two seeds is
twice that of one. Random draws alone are in brackets, since named designs flatter a ratio. A prefix is a training of that
length only where the learning rate was constant.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from separation import separation

TASKS = ("recall", "noisy", "fuzzy", "memorization", "compression", "copying")


class Curves(NamedTuple):
    """curves (architectures, seeds, accuracy and loss, tasks, bins); `bin` steps each."""

    names: list
    letters: list
    changes: list
    curves: np.ndarray
    seconds: np.ndarray
    bin: int


def read(path: str) -> Curves:
    """Only the architectures that have been trained, with the seeds that all of them have been trained with."""
    found = np.load(path)
    curves, seconds = found["curves"], found["seconds"]
    begun = ~np.isnan(curves).any((2, 3, 4)).all(1)
    curves, seconds = curves[begun], seconds[begun]
    whole = ~np.isnan(curves).any((0, 2, 3, 4))
    letters = found["letters"] if "letters" in found else found["names"]
    steps = json.loads(str(found["settings"]))["steps"]
    return Curves(
        list(map(str, found["names"][begun])),
        list(map(str, letters[begun])),
        list(map(str, found["changes"])),
        curves[:, whole],
        seconds[:, whole],
        steps // curves.shape[-1],
    )


def main() -> None:
    for path in sys.argv[1:]:
        names, letters, changes, curves, seconds, width = read(path)
        drawn = [index for index, name in enumerate(names) if name == letters[index]]
        print(f"{Path(path).stem}: {' '.join(changes)}; {curves.shape[0]} architectures x {curves.shape[1]} seeds, ")
        print(f"  {seconds.mean():.1f} core-s each; ratio / rho of all (of {len(drawn)} random draws)")
        if curves.shape[1] < 2:
            continue

        def record(scores):
            every, random = separation(scores), separation(scores[drawn]) if len(drawn) > 2 else None
            inner = f" ({random.ratio:.1f} / {random.rho:.2f})" if random else ""
            return f"{every.ratio:.1f} / {every.rho:.2f}{inner}"

        for share in (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0):
            bins = round(share * curves.shape[-1])
            part = curves[..., :bins]
            accuracy, loss = part[:, :, 0], -part[:, :, 1]
            tasks = "; ".join(f"{name} {record(accuracy[:, :, index].mean(-1))}" for index, name in enumerate(TASKS))
            print(f"  {bins * width:5d} steps: accuracy {record(accuracy.mean((2, 3)))}, ", end="")
            print(f"loss {record(loss.mean((2, 3)))}, last half {record(accuracy[..., bins // 2 :].mean((2, 3)))}")
            print(f"        {tasks}")


if __name__ == "__main__":
    main()
