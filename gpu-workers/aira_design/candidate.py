"""Importing what an agent wrote. Only the sandboxed steps do this."""

import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from .failures import CandidateFailure, is_memory

_MOST_TRACE = 2_000


def import_file(file: Path, name: str) -> ModuleType:
    """Execute `file` as the module `name`; raises CandidateFailure `crash` with the end of the traceback."""
    if not file.is_file():
        raise CandidateFailure("invalid", f"there is no {file.name}")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise blame(error, f"{file.name} cannot be imported") from error
    return module


def blame(error: BaseException, what: str) -> CandidateFailure:
    """Return the failure that `error`, raised by the candidate's own code, stands for."""
    if isinstance(error, CandidateFailure):
        return error
    if is_memory(error):
        return CandidateFailure("oom", f"{what}: no memory left")
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return CandidateFailure("crash", f"{what}: {trace[-_MOST_TRACE:]}")


def attribute(module: ModuleType, name: str) -> Any:
    """Return a function of the candidate; raises CandidateFailure `invalid` when there is none of that name."""
    found = getattr(module, name, None)
    if not callable(found):
        raise CandidateFailure("invalid", f"{Path(module.__file__ or '').name} defines no function {name}")
    return found


def settle(device: str) -> torch.device:
    """One thread and repeatable arithmetic: a score must not depend on what else the machine does."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.set_flush_denormal(True)
    chosen = torch.device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"torch sees no {device}")
    return chosen
