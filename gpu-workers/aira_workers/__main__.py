"""`python3 -m aira_workers --device cpu|cuda|cuda:N`: serve requests on standard input until it closes.

Set the environment of `worker-env.json` before start-up; most of it is read before the first line of Python runs.
"""

import argparse
import io
import json
import os
import signal
import sys
from pathlib import Path

from .worker.events import EventWriter, take_stdout

ENVIRONMENT_FILE = Path(__file__).resolve().parents[1] / "worker-env.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="aira_workers", description="Train candidate architectures for a host.")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument(
        "--engine",
        choices=("auto", "native", "native-bf16", "torch", "population"),
        default="auto",
        help="what trains: native (CPU only; ends with status 2 where it cannot be used), native-bf16 (the same with dense products of "
        "operands rounded to bfloat16), torch, population (candidates "
        "train together), or auto: native where possible on the CPU, population on CUDA (default)",
    )
    parser.add_argument(
        "--check-engine", action="store_true", help="compile and test the native engine, print what it found and exit"
    )
    parser.add_argument("--print-env", action="store_true", help="print worker-env.json and exit")
    options = parser.parse_args()
    if options.print_env:
        print(ENVIRONMENT_FILE.read_text(encoding="utf-8"), end="")
        return 0
    if options.check_engine:
        return check_engine()
    if not sys.stdin.isatty():
        # Ctrl-C reaches the whole foreground group; the host drains then, and running trainings must be able to finish.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = EventWriter(take_stdout())

    # torch is imported only now: whatever its libraries print no longer reaches the protocol stream.
    from aira_primitives.describe import digests
    from aira_primitives.discover import PrimitiveFault

    from .native import Unavailable
    from .population import PopulationEngine
    from .version import PROTOCOL_VERSION, evaluator_version
    from .worker.device import describe, open_device
    from .worker.engine import choose_engine
    from .worker.server import Server

    try:
        device = open_device(options.device)
        described = describe(device)
        engine = choose_engine(options.engine, device, described["calibratedFlops"])
        primitives = digests()
    except (ValueError, Unavailable, PrimitiveFault) as error:
        print(f"aira_workers: {error}", file=sys.stderr)
        return 2
    evaluator = evaluator_version(engine.name)
    together = engine.most if isinstance(engine, PopulationEngine) else 1
    events.write(
        "hello",
        v=PROTOCOL_VERSION,
        evaluator=evaluator,
        engine=engine.name,
        populationSize=together,
        primitives=primitives,
        **described,
    )
    requests = io.TextIOWrapper(os.fdopen(os.dup(0), "rb"), encoding="utf-8", errors="replace", newline="\n")
    Server(device, engine, requests, events).serve()
    return 0


def check_engine() -> int:
    """Print {"engine": "native" | "torch", "reason": why not native, or null} for the launcher of CPU workers."""
    import torch

    from .native import Unavailable
    from .worker.enginecache import open_verified_engine

    torch.set_num_threads(1)
    try:
        open_verified_engine()
        found = {"engine": "native", "reason": None}
    except Unavailable as error:
        found = {"engine": "torch", "reason": str(error)}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
