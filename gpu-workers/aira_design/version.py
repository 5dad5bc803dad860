"""The version of the Design evaluator: a digest of every source that decides a score."""

import hashlib
from pathlib import Path

_GPU_WORKERS = Path(__file__).resolve().parents[1]
_PARTS = ("aira_design", "aira_workers/text", "aira_workers/strict.py")


def design_version(root: Path = _GPU_WORKERS) -> str:
    """Return "design-" and 12 hex digits of SHA-256 over every *.py of _PARTS, sorted: path, NUL, bytes, NUL."""
    found = [
        file for part in _PARTS for file in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))
    ]
    files = {file.relative_to(root).as_posix(): file for file in found}
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
    return f"design-{digest.hexdigest()[:12]}"
