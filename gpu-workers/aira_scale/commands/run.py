"""`run`: train a job, or resume it. protocol.py documents events and ways to stop."""

import argparse
import os
import platform
import sys
import traceback
from pathlib import Path

from aira_workers.errors import EvaluationError
from aira_workers.worker.events import EventWriter, take_stdout

from ..protocol import StopRequests


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="aira_scale run")
    parser.add_argument("--job", type=Path, required=True, help="the job, a JSON file")
    parser.add_argument("--folder", type=Path, required=True, help="checkpoints, outcomes and models of this run")
    parser.add_argument("--attached", action="store_true", help="stop when standard input closes or says so")
    options = parser.parse_args(arguments)
    stream = take_stdout()
    leads = os.environ.get("RANK", "0") == "0"
    writer = EventWriter(stream) if leads else None

    def event(kind: str, **body) -> None:
        if writer is not None:
            writer.write(kind, **body)

    stop = StopRequests()
    stop.on_signals()
    if options.attached and leads:
        stop.on_lines(sys.stdin)
    try:
        finished = _train(options, event, stop)
    except Exception as error:
        reason, message = _describe(error)
        event("failed", reason=reason, message=message)
        return 1
    if finished:
        event("done")
    else:
        event("stopped", reason=stop.reason or "signal")
    return 0


def _train(options: argparse.Namespace, event, stop: StopRequests) -> bool:
    import torch

    from ..job import LARGEST_JOB, PROTOCOL_VERSION, identity, own_digests, parse_job, trunk_identity
    from ..parallel import close_world, leave_together, open_world
    from ..trainer import Hooks, Training
    from ..version import trainer_version

    text = _read(options.job, LARGEST_JOB)
    job = parse_job(text)
    torch.set_flush_denormal(True)
    torch.set_num_threads(job.machine.threads)
    world = open_world(job)
    try:
        device, title = _open_device(job.machine.device, world.local_rank)
        hooks = Hooks(event, lambda: stop.reason != "")
        training = Training(job, trunk_identity(text), trainer_version(), options.folder, device, world, hooks)
        event(
            "hello", v=PROTOCOL_VERSION, trainer=trainer_version(), identity=identity(text), device=str(device),
            deviceName=title, torch=torch.__version__, python=platform.python_version(), processes=world.size,
            primitives=own_digests(job.model.pattern), **training.describe(),
        )  # fmt: skip
        finished = training.run()
        # What holds the connections goes first, then the connections, on all ranks at once: gloo waits for a peer that has already
        # gone when it is taken down.
        del training
        leave_together(world)
        return finished
    finally:
        close_world()


def _read(file: Path, limit: int) -> str:
    from aira_workers.errors import InvalidCandidate

    try:
        with file.open("rb") as stream:
            data = stream.read(limit + 1)
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCandidate(f"the job file {file} cannot be read: {error}") from error


def _open_device(kind: str, index: int):
    import torch
    from aira_workers.errors import InvalidCandidate

    if kind == "cpu":
        return torch.device("cpu"), platform.processor() or platform.machine()
    if index >= torch.cuda.device_count():
        raise InvalidCandidate(f"the job asks CUDA device {index}; torch shows {torch.cuda.device_count()}")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.cuda.set_device(index)
    return torch.device("cuda", index), torch.cuda.get_device_name(index)


def _describe(error: Exception):
    if isinstance(error, EvaluationError):
        reason = error.reason
    else:
        traceback.print_exc(file=sys.stderr)
        text = str(error).lower()
        oom = isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
        reason = "oom" if oom else "crash"
    message = " ".join(str(error).split()) or type(error).__name__
    return reason, message[:400]
