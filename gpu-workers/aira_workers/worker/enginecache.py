"""Sees to it that the compiled engine that is loaded is the one that was compiled.

Role: a SHA-256 next to each library of the cache, written when it is compiled and compared before it is loaded. Non-role: finding,
compiling and testing the library (`native`), whose sources are part of every score's version.

A library without a record, with another hash, that others may write or that somebody else owns is removed, one line says so, and
it is compiled again. A process that may write the cache folder may write both files: only the owner can.
"""

import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..native.build import Unavailable, best_variant, cpu_flags, library, rounding_variant
from ..native.build import _cache_folder as cache_folder
from ..native.engine import NativeEngine, open_engine

_RECORD = ".sha256"


def open_verified_engine(rounds: bool = False) -> NativeEngine:
    """The native engine from a library that was not changed since it was compiled. Raises Unavailable in one line."""
    variant = rounding_variant(cpu_flags()) if rounds else best_variant(cpu_flags())
    verify(cache_folder(), lambda: library(variant))
    return open_engine(rounds=rounds)


def verify(cache: Path, find: Callable[[], Path]) -> Path:
    """Remove what is not as it was compiled, and record what `find` compiles. Raises Unavailable."""
    with _lock(cache):
        intact = {path for path in sorted(cache.glob("*/*.so")) if _is_intact(path)}
        path = find()
        if path not in intact:
            _record(path)
        return path


def _is_intact(path: Path) -> bool:
    fault = _fault(path)
    if fault is None:
        return True
    print(f"aira_workers: the compiled engine {path} is not loaded, because it {fault}", file=sys.stderr)
    try:
        path.unlink()
    except OSError as error:
        raise Unavailable(f"the compiled engine {path} {fault} and cannot be removed: {error.strerror}") from error
    return False


def _fault(path: Path) -> str | None:
    """Why a library is not to be loaded; None where nothing is amiss."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        digest = hashlib.sha256(file.read()).hexdigest()
    if found.st_uid not in (0, os.geteuid()):
        return "belongs to another user"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by others"
    try:
        recorded = path.with_suffix(_RECORD).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return "has no recorded hash"
    return None if digest == recorded else "is not what was compiled"


def _record(path: Path) -> None:
    try:
        # Writable for the owner alone, whatever the umask.
        path.chmod(0o755)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(hashlib.sha256(path.read_bytes()).hexdigest() + "\n", encoding="ascii")
        os.replace(unfinished, path.with_suffix(_RECORD))
    except OSError as error:
        raise Unavailable(f"the hash of the compiled engine {path} cannot be recorded: {error.strerror}") from error


@contextmanager
def _lock(cache: Path) -> Iterator[None]:
    """One process at a time: those that start together wait for the one that compiles."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(cache / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"the engine's cache folder {cache} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
