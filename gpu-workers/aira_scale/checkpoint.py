"""Checkpoints of one trunk and its branches: a folder each, complete or absent.

    <run>/checkpoints/trunk-<step>/state.pt             weights, optimiser
                                  /meta.json            position, SHA-256 of state.pt, identity of the trunk, curve, seconds
    <run>/checkpoints/branch-<last step>-<step>/...     the same on the way to the budget of that many steps

Invariants:
C1  A folder without the suffix `.partial` is complete: it is written next to its place, synced, and renamed.
C2  `best` answers the furthest useful checkpoint whose state.pt has its SHA-256; a damaged one is passed over.
C3  A checkpoint of another trunk (by identity) or another trainer version is refused, never continued.
C4  Two trunk checkpoints at or below the newest position stay, so that a later budget continues where the trunk ended.
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
    """`branch` is the last step of the budget, 0 on the trunk; `step` is what comes next; `curve` holds [step, training loss] on the
    way to it; `seconds` spent training on that way."""

    identity: str
    trainer: str
    branch: int
    step: int
    seconds: float
    sessions: int
    before_decay: float | None = None  # validation loss at the fork
    sha256: str = ""
    bytes: int = 0
    curve: list[list[float]] = field(default_factory=list)

    @property
    def position(self) -> Position:
        return self.branch, self.step


class Checkpoints:
    """The checkpoints under one folder; of several processes only one may `tidy` and write."""

    def __init__(self, folder: Path, identity: str, trainer: str, tidy: bool) -> None:
        self._folder, self._identity, self._trainer = folder, identity, trainer
        if tidy:
            folder.mkdir(parents=True, exist_ok=True)
            for partial in folder.glob("*.partial"):
                shutil.rmtree(partial)

    def path(self, position: Position) -> Path:
        branch, step = position
        return self._folder / (f"branch-{branch:09d}-{step:09d}" if branch else f"trunk-{step:09d}")

    def write(self, meta: Meta, state: dict[str, Any]) -> Meta:
        """Write a checkpoint at its position, then remove what neither this branch nor the trunk will continue from."""
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
        self._remove(self._places(meta.branch, meta.step)[:-_RETAINED])
        return meta

    def end(self, branch: int) -> None:
        """Remove the checkpoints of a branch whose outcome is on the disk."""
        self._remove(self._places(branch, branch))

    def best(self, branch: int, fork: int) -> Meta | None:
        """Meta of the furthest undamaged checkpoint on the way to the budget of `branch` steps that forks at `fork`; None without one."""
        for position, place in reversed(self._places(0, fork) + self._places(branch, branch)):
            meta = self._meta(place)
            if meta is not None and meta.position == position:
                return meta
        return None

    def load(self, meta: Meta) -> dict[str, Any]:
        """The state that `meta` (of `best`, so compared with its hash) describes, on the CPU."""
        return torch.load(self.path(meta.position) / "state.pt", map_location="cpu", weights_only=True)

    def _places(self, branch: int, last: int) -> list[tuple[Position, Path]]:
        """The complete checkpoints of the trunk (0) or a branch at steps up to `last`, ascending."""
        prefix = f"branch-{branch:09d}-" if branch else "trunk-"
        found = []
        for place in sorted(self._folder.glob(prefix + "*")) if self._folder.is_dir() else ():
            digits = place.name[len(prefix) :]
            if digits.isdigit() and int(digits) <= last:
                found.append(((branch, int(digits)), place))
        return found

    def _remove(self, places: list[tuple[Position, Path]]) -> None:
        for _, place in places:
            shutil.rmtree(place)

    def _meta(self, place: Path) -> Meta | None:
        try:
            meta = Meta(**json.loads((place / "meta.json").read_text()))
            if sha256_of(place / "state.pt") != meta.sha256:
                return None
        except (OSError, ValueError, TypeError):
            return None
        if (meta.identity, meta.trainer) != (self._identity, self._trainer):
            raise InvalidCandidate(
                f"{place} belongs to the trunk {meta.identity[:12]} of {meta.trainer}, not to {self._identity[:12]} of {self._trainer}; "
                "give the run a folder of its own"
            )
        return meta
