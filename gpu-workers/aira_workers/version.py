"""The version of the evaluator: which arithmetic a score came from.

    evaluator = engine + "-" + first 12 hex digits of a SHA-256

over the files that decide a score: every `*.py` under the sub-packages primitives/, mad/, proxies/, optim/ and text/ (at
any depth) and the file model.py; for the engines "native" and "native-bf16" also every `*.py` under native/ and every `*.cpp` and `*.hpp` in
the folder engine/ next to the package; for "population" every `*.py` under population/. For each, in the order of the
sorted paths, the digest takes

    the path relative to the package directory `aira_workers` (of engine/: to the folder that holds both), with "/"
    between its parts, as UTF-8
    one NUL byte
    the bytes of the file
    one NUL byte

Sorting is by code point of the whole relative path, so "mad/x.py" < "model.py" < "optim/x.py". Nothing else enters:
no version number, no torch version (the hello event carries that), no file of the worker's door.
"""

import hashlib
from pathlib import Path

PROTOCOL_VERSION = 1

_PACKAGE = Path(__file__).resolve().parent
_DECIDING = ("primitives", "mad", "proxies", "optim", "text")


def evaluator_version(engine: str, package: Path = _PACKAGE) -> str:
    """Return for example "torch-0a1b2c3d4e5f"; raises FileNotFoundError when the package is incomplete."""
    named = [(package, package / "model.py")]
    compiles = engine.startswith("native")
    own = ("native",) if compiles else ("population",) if engine == "population" else ()
    for room in (*_DECIDING, *own):
        named.extend((package, file) for file in (package / room).rglob("*.py"))
    if compiles:
        compiled = package.parent / "engine"
        named.extend((package.parent, file) for file in compiled.iterdir() if file.suffix in (".cpp", ".hpp"))
    digest = hashlib.sha256()
    for relative, file in sorted((file.relative_to(base).as_posix(), file) for base, file in named):
        digest.update(relative.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{engine}-{digest.hexdigest()[:12]}"
