"""`python3 -m aira_workers --device cpu|cuda|cuda:N`: serve requests on standard input until it closes.

Set the environment of `worker-env.json` before start-up; most of it is read before the first line of Python runs.
"""

import argparse
import io
import os
import signal
import sys
from pathlib import Path

from .worker.events import EventWriter, take_stdout

ENVIRONMENT_FILE = Path(__file__).resolve().parents[1] / "worker-env.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="aira_workers", description="Train candidate architectures for a host.")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument("--print-env", action="store_true", help="print worker-env.json and exit")
    options = parser.parse_args()
    if options.print_env:
        print(ENVIRONMENT_FILE.read_text(encoding="utf-8"), end="")
        return 0
    if not sys.stdin.isatty():
        # Ctrl-C reaches the whole foreground group; the host drains then, and running trainings must be able to finish.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = EventWriter(take_stdout())

    # torch is imported only now: whatever its libraries print no longer reaches the protocol stream.
    from .version import ENGINE, PROTOCOL_VERSION, evaluator_version
    from .worker.device import describe, open_device
    from .worker.server import Server

    try:
        device = open_device(options.device)
    except ValueError as error:
        print(f"aira_workers: {error}", file=sys.stderr)
        return 2
    events.write("hello", v=PROTOCOL_VERSION, evaluator=evaluator_version(), engine=ENGINE, **describe(device))
    requests = io.TextIOWrapper(os.fdopen(os.dup(0), "rb"), encoding="utf-8", errors="replace", newline="\n")
    Server(device, requests, events).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
