"""A trained model as raw numbers: `state.f32` holds all tensors one after the other, `state.json` names them.

Trusted code writes and reads both, and their names are its own: of a candidate a state holds the values of parameters and no
other byte.
"""

from pathlib import Path

import numpy as np
import torch

from .failures import CandidateFailure
from .layout import NAMES, NUMBERS, read_json, write_json


def write_state(out: Path, tensors: dict[str, torch.Tensor], seed: int) -> None:
    """Write `tensors` as float32 and the seed that the model was built by. Raises CandidateFailure `nan` when one is not finite."""
    arrays = {name: tensor.detach().cpu().double().numpy().astype("<f4") for name, tensor in tensors.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CandidateFailure("nan", f"{name} is not finite after training")
    with (out / NUMBERS).open("wb") as stream:
        for array in arrays.values():
            stream.write(array.tobytes())
    tensors_by_name = [[name, list(array.shape)] for name, array in arrays.items()]
    write_json(out / NAMES, {"seed": seed, "tensors": tensors_by_name})


def read_state(folder: Path) -> tuple[dict[str, torch.Tensor], int]:
    """Return the tensors as float32 and the seed."""
    numbers, names = np.fromfile(folder / NUMBERS, dtype="<f4"), read_json(folder / NAMES)
    tensors, start = {}, 0
    for name, shape in names["tensors"]:
        count = int(np.prod(shape))
        tensors[name] = torch.from_numpy(numbers[start : start + count].reshape(shape).copy())
        start += count
    return tensors, names["seed"]
