"""The version of the trainer: "scale-" and the first 12 hex digits of a SHA-256 over the sources that decide a loss.

Those are shapes, model, initial, optimiser, schedule, trainer, job, layers/*, data/shards of this package, and of the workers
primitives/ssd.py and optim/muon.py: for each, in the order of the sorted paths, its path as UTF-8, a NUL byte, its bytes, a NUL byte.
"""

import hashlib
from pathlib import Path

_PACKAGES = Path(__file__).resolve().parents[1]
_DECIDING = ("shapes", "model", "initial", "optimiser", "schedule", "trainer", "parallel", "job", "data/shards")
_SHARED = ("aira_workers/primitives/ssd.py", "aira_workers/optim/muon.py")


def trainer_version() -> str:
    files = [_PACKAGES / "aira_scale" / f"{name}.py" for name in _DECIDING]
    files += (_PACKAGES / "aira_scale" / "layers").glob("*.py")
    files += [_PACKAGES / name for name in _SHARED]
    digest = hashlib.sha256()
    for relative, file in sorted((file.relative_to(_PACKAGES).as_posix(), file) for file in files):
        digest.update(relative.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"scale-{digest.hexdigest()[:12]}"
