"""The version of the Design evaluator: a digest of every source that decides a score."""

import hashlib
from pathlib import Path

_GPU_WORKERS = Path(__file__).resolve().parents[1]
_FROM_WORKERS = ("aira_workers/strict.py",)


def design_version(root: Path = _GPU_WORKERS) -> str:
    """Return "design-" and 12 hex digits of SHA-256 over the package's *.py (relative path, NUL, bytes, NUL; sorted)."""
    files = {file.relative_to(root).as_posix(): file for file in (root / "aira_design").rglob("*.py")}
    files.update({name: root / name for name in _FROM_WORKERS})
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
    return f"design-{digest.hexdigest()[:12]}"
