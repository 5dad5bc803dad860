"""How many numbers a training left, told by trusted code from the sizes of files alone."""

import os
import stat
from pathlib import Path

from .failures import CandidateFailure

NUMBERS, NAMES = "state.f32", "state.json"
_MOST_BYTES_OF_NAMES = 262_144


def measured_parameters(folder: Path) -> int:
    """Return the number of float32 values of a state that an untrusted process left, from sizes of files alone.

    Raises CandidateFailure: `invalid` when a file is missing, `tampered` when there is anything else in the folder,
    since whatever passes from training to prediction must be counted.
    """
    if not folder.is_dir():
        raise CandidateFailure("invalid", "the training left no state")
    found = {entry.name: entry.stat(follow_symlinks=False) for entry in os.scandir(folder)}
    for name in (NUMBERS, NAMES):
        if name not in found:
            raise CandidateFailure("invalid", f"the training left no {name}")
        if not stat.S_ISREG(found[name].st_mode) or found[name].st_nlink != 1:
            raise CandidateFailure("tampered", f"{name} is not a plain file of one name")
    strangers = sorted(set(found) - {NUMBERS, NAMES})
    if strangers:
        raise CandidateFailure("tampered", f"the state holds {strangers[0][:80]!r}, which is not part of it")
    if found[NAMES].st_size > _MOST_BYTES_OF_NAMES:
        raise CandidateFailure("tampered", f"{NAMES} has {found[NAMES].st_size} bytes; names need fewer")
    return -(-found[NUMBERS].st_size // 4)
