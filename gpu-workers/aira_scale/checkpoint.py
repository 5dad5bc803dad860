"""Checkpoints of one run: a folder each, complete or absent.

    <run>/checkpoints/<segment>-<step>/state.pt     weights, optimiser
                                       meta.json    position, SHA-256 of state.pt, identity of the job, curve, seconds

Invariants:
C1  A folder without the suffix `.partial` is complete: it is written next to its place, synced, and renamed.
C2  `newest` answers the furthest checkpoint whose state.pt has its SHA-256; a damaged one is passed over.
C3  A checkpoint of another job (by identity) or another trainer version is refused, never continued.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from aira_workers.errors import InvalidCandidate

from .failpoint import failpoint
from .files import sha256_of, sync_folder, write_synced

_RETAINED = 2

Position = tuple[int, int]


@dataclass
class Meta:
    """`segment` and `step` are what comes next; `curve` holds [step, training loss] on the way to it; `seconds` spent training so far."""

    identity: str
    trainer: str
    segment: int
    step: int
    seconds: float
    sessions: int
    before_decay: float | None = None  # validation loss at the last fork
    sha256: str = ""
    bytes: int = 0
    curve: list[list[float]] = field(default_factory=list)

    @property
    def position(self) -> Position:
        return self.segment, self.step


class Checkpoints:
    """The checkpoints under one folder; of several processes only one may `tidy` and write."""

    def __init__(self, folder: Path, identity: str, trainer: str, tidy: bool) -> None:
        self._folder, self._identity, self._trainer = folder, identity, trainer
        if tidy:
            folder.mkdir(parents=True, exist_ok=True)
            for partial in folder.glob("*.partial"):
                shutil.rmtree(partial)

    def path(self, position: Position) -> Path:
        return self._folder / f"{position[0]:04d}-{position[1]:09d}"

    def write(self, meta: Meta, state: dict[str, Any], needed: set[Position]) -> Meta:
        """Write a checkpoint at its position, then remove what is neither among the newest two nor in `needed`."""
        place = self.path(meta.position)
        partial = place.with_name(place.name + ".partial")
        partial.mkdir()
        with (partial / "state.pt").open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        meta.sha256, meta.bytes = sha256_of(partial / "state.pt"), (partial / "state.pt").stat().st_size
        write_synced(partial / "meta.json", json.dumps(asdict(meta), allow_nan=False))
        failpoint("checkpoint-before-rename")
        if place.exists():  # written again after a resume; equal by determinism
            shutil.rmtree(place)
        os.rename(partial, place)
        sync_folder(self._folder)
        failpoint("checkpoint-written")
        keep = {self.path(position) for position in needed}
        for old in self._complete()[:-_RETAINED]:
            if old not in keep:
                shutil.rmtree(old)
        return meta

    def newest(self) -> Meta | None:
        """Meta of the furthest undamaged checkpoint, None without one."""
        for place in reversed(self._complete()):
            meta = self._meta(place)
            if meta is not None:
                return meta
        return None

    def at(self, position: Position) -> Meta:
        """Meta of the checkpoint at `position`; raises InvalidCandidate when it is not there or damaged."""
        meta = self._meta(self.path(position))
        if meta is None:
            raise InvalidCandidate(
                f"the checkpoint {self.path(position)} is missing or damaged; begin the run in a new folder"
            )
        return meta

    def load(self, meta: Meta) -> dict[str, Any]:
        """The state that `meta` (of `newest` or `at`, so compared with its hash) describes, on the CPU."""
        return torch.load(self.path(meta.position) / "state.pt", map_location="cpu", weights_only=True)

    def _complete(self) -> list[Path]:
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(path for path in folders if path.is_dir() and path.suffix != ".partial")

    def _meta(self, place: Path) -> Meta | None:
        try:
            meta = Meta(**json.loads((place / "meta.json").read_text()))
            if sha256_of(place / "state.pt") != meta.sha256:
                return None
        except (OSError, ValueError, TypeError):
            return None
        if (meta.identity, meta.trainer) != (self._identity, self._trainer):
            raise InvalidCandidate(
                f"{place} belongs to job {meta.identity[:12]} of {meta.trainer}, not to {self._identity[:12]} of {self._trainer}; "
                "give the run a folder of its own"
            )
        return meta
