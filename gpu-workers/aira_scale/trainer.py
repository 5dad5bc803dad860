"""One training run: trunk and branches of its schedule, checkpoints, validation at forks and at the ends of branches.

Role: from a job and a folder to losses and weights. Not its role: deadlines, retries, which runs to make; the host owns those. Invariants:
T1  Killed at any moment and started again, a run ends with the losses and weights of an undisturbed one, bit for bit on the CPU.
T2  A budget's outcome depends on the deciding part of the job alone, not on other budgets of the run, checkpoints or micro-batches
    (the last up to the order of sums).
T3  An outcome is written to <run>/outcomes.json only once its weights are on the disk; later starts tell it again.
T4  Jobs that differ in their budgets alone share a folder, one after the other: each continues the trunk where it is, in any order.
    One process at a time trains there; another one waits.

    <run>/trunk.json, lock         whose trunk this is, and who trains it
    <run>/checkpoints/             see checkpoint.py
    <run>/models/<budget>/         weights.pt (state dict, float32), model.json (the job's `model`, counts, outcome)
    <run>/outcomes.json
"""

import fcntl
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import torch
from aira_workers.errors import Diverged, InvalidCandidate
from aira_workers.worker.device import UsageMeter

from .checkpoint import Checkpoints, Meta
from .counts import parameters, training_flops
from .data.shards import TokenStream, TrainingOrder, read_index, verify
from .failpoint import failpoint
from .files import sha256_of, write_synced
from .initial import initialise
from .job import Job
from .model import ScaleModel
from .optimiser import ScaleOptimiser
from .parallel import SummedLoss, World, gather_no_longer, split_like, summed_over, whole, without_reduction, wrap
from .schedule import Segment, lr_factor, segments, total_steps

_CURVE_POINTS = 200
_PROGRESS_SECONDS = 1.0
_LOCK_SECONDS = 0.2


@dataclass(frozen=True)
class Hooks:
    """`event` writes to the host; `should_stop` is asked before every step on the leading process."""

    event: Callable[..., None]
    should_stop: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


class Training:
    """`run` returns True when every budget has its outcome, False when it stopped early at a checkpoint."""

    def __init__(
        self, job: Job, trunk: str, trainer: str, folder: Path, device: torch.device, world: World, hooks: Hooks
    ) -> None:
        """`trunk` is the identity of the job without its budgets (job.trunk_identity)."""
        self._job, self._folder, self._device, self._world, self._hooks = job, folder, device, world, hooks
        schedule = job.schedule
        self._segments = segments(schedule)
        self._total = total_steps(schedule)
        data = Path(job.data.folder)
        index = read_index(data)
        if index.digest != job.data.digest:
            raise InvalidCandidate(f"{data} has the digest {index.digest[:12]}, the job asks {job.data.digest[:12]}")
        if index.vocabulary != job.model.vocabulary:
            raise InvalidCandidate(f"the data has a vocabulary of {index.vocabulary}, the model {job.model.vocabulary}")
        if world.leads:
            verify(data, index)
        self._order = TrainingOrder(TokenStream(data, index.train), schedule.sequence, schedule.batch, job.seed)
        self._validation = TokenStream(data, index.validation)
        if self._validation.sequences(schedule.sequence) < job.validation_sequences:
            raise InvalidCandidate(
                f"validation has {self._validation.sequences(schedule.sequence)} sequences of {schedule.sequence}, "
                f"the job asks {job.validation_sequences}"
            )
        rows = job.machine.micro_batch * world.size
        if schedule.batch % rows:
            raise InvalidCandidate(
                f"a batch of {schedule.batch} sequences is no multiple of micro_batch x devices = {rows}"
            )
        self._model = ScaleModel(job.model)
        initialise(self._model, job.seed)
        self._model.to(device)
        self._summed = wrap(self._model, job, world, device)
        self._plain = SummedLoss(self._model)
        self._optimiser = ScaleOptimiser(self._model, job.optimiser)
        self._trunk, self._trainer = trunk, trainer
        self._meta = Meta(trunk, trainer, branch=0, step=0, seconds=0.0, sessions=1)
        self._written: set[tuple[int, int]] = set()  # positions of the checkpoints of this process
        self._number = 0  # of the segment that `_meta` is in
        self._session_steps = 0
        self._outcomes: list[dict[str, Any]] = []
        self._flops = training_flops(
            job.model.pattern, job.model.family, job.model.shape, job.model.vocabulary, schedule.sequence
        )
        self._parameters = parameters(job.model.pattern, job.model.family, job.model.shape, job.model.vocabulary)

    def describe(self) -> dict[str, Any]:
        """Counts for the hello event."""
        return {
            "parameters": self._parameters.total,
            "nonEmbedding": self._parameters.layers,
            "flopsPerToken": {"layers": self._flops.layers, "head": self._flops.head},
            "steps": self._total,
        }

    def run(self) -> bool:
        with self._own_folder() as owned:
            return owned and self._run()

    @contextmanager
    def _own_folder(self) -> Iterator[bool]:
        """Whether the folder is this process's until the end; False when the host stopped it while another one trains there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            mine = not self._world.leads or self._wait_for(lock)
            if mine and self._world.leads:
                self._claim()
            # The other ranks read the folder only once the leading one owns it.
            owned = summed_over(self._world, torch.tensor(float(mine), device=self._device)).item() == self._world.size
            if owned:
                self._checkpoints = Checkpoints(
                    self._folder / "checkpoints", self._trunk, self._trainer, tidy=self._world.leads
                )
            yield owned

    def _wait_for(self, lock: TextIO) -> bool:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if self._hooks.should_stop():
                    return False
                self._hooks.pause(_LOCK_SECONDS)

    def _claim(self) -> None:
        """Raise InvalidCandidate when the folder belongs to another trunk."""
        file = self._folder / "trunk.json"
        mine = {"identity": self._trunk, "trainer": self._trainer}
        if not file.exists():
            return write_synced(file, json.dumps(mine))
        owner = json.loads(file.read_text())
        if owner != mine:
            raise InvalidCandidate(
                f"{self._folder} belongs to the trunk {owner['identity'][:12]} of {owner['trainer']}, not to {self._trunk[:12]} of "
                f"{self._trainer}; give the run a folder of its own"
            )
        return None

    def _run(self) -> bool:
        file = self._folder / "outcomes.json"
        if file.exists():
            self._outcomes = json.loads(file.read_text())
        outcomes = {outcome["steps"]: outcome for outcome in self._outcomes}
        for budget in self._job.schedule.budgets:
            if budget.steps in outcomes:
                self._hooks.event("result", **{**outcomes[budget.steps], "budget": budget.name})
        self._meter = UsageMeter(self._device)
        self._since_checkpoint = self._since_progress = self._mark = self._session_start = self._hooks.clock()
        for number in range(1, len(self._segments), 2):
            branch = self._segments[number]
            if branch.end in outcomes:
                continue
            self._enter(number, branch)
            if self._meta.branch == 0:
                if not self._train(self._segments[number - 1]):
                    return False
                self._fork(number, branch)
            if not self._train(branch):
                return False
            self._finish(branch)
        return True

    def _enter(self, number: int, branch: Segment) -> None:
        """Go to the furthest state on the way to `branch`: the current one, or that of a checkpoint."""
        best = self._checkpoints.best(branch.end, branch.start)
        here = self._meta
        on_the_way = here.branch == 0 and here.step <= branch.start
        if best is not None and not (on_the_way and here.step >= best.step and best.branch == 0 and here.step > 0):
            self._load(best)
            best.sessions += best.position not in self._written
            self._meta = best
        elif not on_the_way:
            raise InvalidCandidate(
                f"the checkpoints of the trunk in {self._folder} are missing or damaged; start the run again"
            )
        self._number = number if self._meta.branch else number - 1

    def _fork(self, number: int, branch: Segment) -> None:
        """The trunk has reached the fork: its state is what the branch and, after it, the trunk start from, so it is always written."""
        if self._meta.before_decay is None:
            self._meta.before_decay = self._validate()
            self._checkpoint()
        self._meta = replace(self._meta, branch=branch.end, curve=list(self._meta.curve))
        self._number = number

    def _load(self, meta: Meta) -> None:
        state = self._checkpoints.load(meta)
        with torch.no_grad():
            for name, parameter in self._model.named_parameters():
                parameter.copy_(split_like(state["model"][name], parameter))
        self._optimiser.load(state["optimiser"])

    def _done(self) -> int:
        """Steps of the whole run that lie behind, branches included."""
        before = self._segments[: self._number]
        start = self._segments[self._number].start
        return max(0, sum(part.end - part.start for part in before) + self._meta.step - start)

    def _train(self, segment: Segment) -> bool:
        """Steps up to the end of the segment; False when the host asked to stop."""
        job, meta = self._job, self._meta
        window: list[float] = []
        while meta.step < segment.end:
            if self._agree(segment):
                return False
            factor = lr_factor(job.schedule, segment, meta.step)
            loss = self._step(meta.step, factor)
            if not math.isfinite(loss):
                raise Diverged(f"the loss is no longer finite at step {meta.step} of {segment.budget or 'the trunk'}")
            failpoint("step")
            meta.step, self._session_steps = meta.step + 1, self._session_steps + 1
            meta.before_decay = meta.before_decay if meta.branch else None
            self._record(loss)
            now = self._hooks.clock()
            window.append(now)
            if now - self._since_progress >= _PROGRESS_SECONDS or meta.step == segment.end:
                rate = (
                    (len(window) - 1) / (window[-1] - window[0]) if len(window) > 1 and window[-1] > window[0] else 0.0
                )
                self._since_progress, window = now, window[-1:]
                self._hooks.event(
                    "progress", budget=segment.budget, step=meta.step, done=self._done(), steps=self._total, loss=loss,
                    lr=job.optimiser.lr * factor, tokensPerSecond=rate * job.schedule.batch_tokens,
                )  # fmt: skip
        return True

    def _agree(self, segment: Segment) -> bool:
        """Write a checkpoint when it is time, on all ranks alike; True when the run is to stop here."""
        flags = torch.zeros(2, device=self._device)
        if self._world.leads:
            due = self._hooks.clock() - self._since_checkpoint >= self._job.machine.checkpoint_seconds
            flags[0], flags[1] = float(self._hooks.should_stop()), float(due)
        stop, due = (flag > 0 for flag in summed_over(self._world, flags).tolist())
        # At the start of a segment its state is on the disk already, or nothing is lost.
        at_start = self._meta.step == segment.start
        if (stop or due) and not at_start:
            self._checkpoint()
        return stop

    def _step(self, step: int, factor: float) -> float:
        job = self._job
        rows = job.schedule.batch // self._world.size
        first = self._world.rank * rows
        batch = torch.from_numpy(self._order.batch(step, first, first + rows)).to(self._device)
        micro = job.machine.micro_batch
        self._optimiser.zero_gradients()
        total = torch.zeros((), device=self._device)
        for start in range(0, rows, micro):
            with without_reduction(self._summed, self._model, start + micro >= rows), self._precision():
                loss = self._summed(batch[start : start + micro]) / (rows * job.schedule.sequence)
                loss.backward()
            total += loss.detach()
        self._optimiser.step(factor)
        return summed_over(self._world, total).item() / self._world.size

    def _precision(self):
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._job.precision == "bfloat16")

    @torch.no_grad()
    def _validate(self) -> float:
        """Mean cross-entropy in nats per token over the first `validation_sequences` sequences of the validation split."""
        job = self._job
        count, length = job.validation_sequences // self._world.size, job.schedule.sequence
        first = self._world.rank * count
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        micro = job.machine.micro_batch
        for start in range(first, first + count, micro):
            places = range(start, min(start + micro, first + count))
            rows = [torch.from_numpy(self._validation.sequence(place, length)) for place in places]
            with self._precision():
                total += self._plain(torch.stack(rows).to(self._device)).double()
        gather_no_longer(self._model)
        loss = summed_over(self._world, total).item() / (job.validation_sequences * length)
        if not math.isfinite(loss):
            raise Diverged("the validation loss is no longer finite")
        return loss

    def _record(self, loss: float) -> None:
        """Keep at most _CURVE_POINTS points, every 2^k-th step: by the step alone, so that branches of one trunk agree (T2)."""
        every = 1 << ((self._meta.step - 1) // _CURVE_POINTS).bit_length()
        if self._meta.step % every == 0:
            self._meta.curve.append([self._meta.step, loss])
        if len(self._meta.curve) > _CURVE_POINTS:
            self._meta.curve = [point for point in self._meta.curve if point[0] % every == 0]

    def _checkpoint(self) -> None:
        now = self._hooks.clock()
        self._meta.seconds += now - self._mark
        self._mark = now
        state = whole({"model": dict(self._model.named_parameters()), "optimiser": self._optimiser.state()})
        if self._world.leads:
            meta = self._checkpoints.write(self._meta, state)
            self._written.add(meta.position)
            self._hooks.event(
                "checkpoint", path=str(self._checkpoints.path(meta.position)), budget=self._segments[self._number].budget,
                step=meta.step, done=self._done(), bytes=meta.bytes, sha256=meta.sha256,
            )  # fmt: skip
        self._since_checkpoint = self._mark = self._hooks.clock()

    def _finish(self, segment: Segment) -> None:
        """Validate, write the weights, then the outcome."""
        loss = self._validate()
        usage = self._meter.read()
        now = self._hooks.clock()
        self._meta.seconds += now - self._mark
        self._mark = now
        job = self._job
        tokens = segment.end * job.schedule.batch_tokens
        rate = self._session_steps * job.schedule.batch_tokens / (now - self._session_start)
        peak = job.machine.peak_flops * self._world.size
        outcome = {
            "budget": segment.budget,
            "steps": segment.end,
            "tokens": tokens,
            "flops": tokens * self._flops.total,
            "validationLoss": loss,
            "lossBeforeDecay": self._meta.before_decay,
            "parameters": self._parameters.total,
            "nonEmbedding": self._parameters.layers,
            "curve": self._meta.curve,
            "seconds": self._meta.seconds,
            "sessions": self._meta.sessions,
            "tokensPerSecond": rate,
            "mfu": rate * self._flops.total / peak if peak else None,
            "peakMemoryBytes": usage["peakMemoryBytes"],
            "cpuSeconds": usage["cpuSeconds"],
        }
        weights = whole(dict(self._model.named_parameters()))
        if self._world.leads:
            folder = self._folder / "models" / segment.budget
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / "weights.pt.partial"
            torch.save(weights, partial)
            outcome["weightsSha256"] = sha256_of(partial)
            partial.replace(folder / "weights.pt")
            outcome["folder"] = str(folder)
            described = {"model": asdict(job.model), "data": job.data.digest, "seed": job.seed, "outcome": outcome}
            write_synced(folder / "model.json", json.dumps(described, indent=1, allow_nan=False) + "\n")
            self._outcomes.append(outcome)
            failpoint("before-outcome")
            write_synced(self._folder / "outcomes.json", json.dumps(self._outcomes, allow_nan=False))
            failpoint("outcome-written")
            self._checkpoints.end(segment.end)
            self._hooks.event("result", **outcome)
