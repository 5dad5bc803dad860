"""Finds the modules of primitives and hashes them, without running any.

Where they come from, in this order; of two with one name the earlier counts:

    AIRA_PRIMITIVES        folders, separated as in PATH: each `<name>.py` is the primitive <name>; `_x.py` and `test_x.py` are not
    entry points           of the group `aira.primitives` of installed packages: `<name> = package.module`
"""

import hashlib
import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from aira_workers.errors import InvalidCandidate

VARIABLE = "AIRA_PRIMITIVES"
GROUP = "aira.primitives"
BUILT_IN = ("M", "mA", "Mb")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,15}")
_LARGEST = 1 << 20
_HERE = Path(__file__).resolve().parent
# Decide what a module computes, and so are part of every primitive's digest.
_SHARED = ("contract.py", "own.py")


class PrimitiveFault(InvalidCandidate):
    """Thrown when a primitive's module is missing, does not load or breaks its contract. The message is one sentence."""


@dataclass(frozen=True)
class Found:
    """A module of a primitive. `sources` is its content by name, the module first; `module` is set for an entry point."""

    token: str
    origin: str
    sources: tuple[tuple[str, bytes], ...]
    module: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over the shared sources and the module's: for each, its name as UTF-8, a NUL byte, its bytes, a NUL byte."""
        digest = hashlib.sha256()
        shared = [(f"aira_primitives/{name}", (_HERE / name).read_bytes()) for name in _SHARED]
        for name, content in (*shared, *self.sources):
            digest.update(name.encode() + b"\0" + content + b"\0")
        return digest.hexdigest()


@dataclass
class Discovery:
    """Primitives by name, and a sentence for each file or entry point that cannot be one."""

    found: dict[str, Found] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def get(self, token: str) -> Found:
        """The primitive of that name; raises PrimitiveFault."""
        if token in self.found:
            return self.found[token]
        if token in self.refused:
            raise PrimitiveFault(self.refused[token])
        known = ", ".join((*BUILT_IN, *sorted(self.found)))
        raise PrimitiveFault(f"there is no primitive {token}; known are {known}")


def discover(environment: Mapping[str, str] = os.environ) -> Discovery:
    """All primitives of this process."""
    discovery = Discovery()
    for folder in filter(None, environment.get(VARIABLE, "").split(os.pathsep)):
        if not Path(folder).is_dir():
            raise PrimitiveFault(f"{folder} is not a folder of primitives")
        for file in sorted(Path(folder).glob("*.py")):
            if not file.name.startswith(("_", "test_")):
                _add(discovery, file.stem, str(file), lambda file=file: ((f"{file.stem}.py", read(file)),), None)
    for point in _entry_points():
        _add(
            discovery,
            point.name,
            f"{point.value} (entry point)",
            lambda point=point: _package(point.value),
            point.value,
        )
    return discovery


def found_in(file: Path) -> Found:
    """The primitive of one file; raises PrimitiveFault."""
    discovery = Discovery()
    if file.suffix != ".py":
        raise PrimitiveFault(f"{file} is not a Python file")
    _add(discovery, file.stem, str(file), lambda: ((file.name, read(file)),), None)
    return discovery.get(file.stem)


def read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise PrimitiveFault(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST:
        raise PrimitiveFault(f"{file} is larger than {_LARGEST} bytes")
    return content


def _add(discovery: Discovery, token: str, origin: str, sources, module: str | None) -> None:
    if token in discovery.found or token in discovery.refused:
        return
    try:
        if token in BUILT_IN:
            raise PrimitiveFault(f"{origin}: {token} is a built-in primitive; give yours another name")
        if not NAME.fullmatch(token):
            raise PrimitiveFault(
                f"{origin}: a primitive's name is a letter and up to 15 letters, digits and _, not {token!r}"
            )
        discovery.found[token] = Found(token, origin, sources(), module)
    except PrimitiveFault as fault:
        discovery.refused[token] = str(fault)


def _entry_points() -> list[metadata.EntryPoint]:
    points = metadata.entry_points()
    chosen = points.select(group=GROUP) if hasattr(points, "select") else points.get(GROUP, [])
    return sorted(chosen, key=lambda point: (point.name, point.value))


def _package(module: str) -> tuple[tuple[str, bytes], ...]:
    """Every source of the module's top-level package, or the module alone if it has none. Runs nothing."""
    top = module.split(".")[0].split(":")[0]
    if not module.replace(".", "_").isidentifier():
        raise PrimitiveFault(f"the entry point {module} is not the name of a module")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError) as error:
        raise PrimitiveFault(f"the module {module} is not found: {error}") from error
    if spec is None or spec.origin is None:
        raise PrimitiveFault(f"the module {module} is not found")
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    return tuple(
        (file.relative_to(origin.parent.parent if len(files) > 1 else origin.parent).as_posix(), read(file))
        for file in files
    )


def sources_now(found: Found) -> tuple[tuple[str, bytes], ...]:
    """The sources of an entry point as they are on the disk now."""
    importlib.invalidate_caches()
    assert found.module is not None
    return _package(found.module)


def where(error: BaseException, file: str) -> str:
    """`line 12: NameError: ...`: where in `file` an error arose, and what it says, on one line."""
    line = None
    if isinstance(error, SyntaxError) and error.filename == file:
        line = error.lineno
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    text = " ".join(str(error).split()) or "no message"
    said = f"{type(error).__name__}: {text}"[:300]
    return said if line is None else f"line {line}: {said}"
