"""What a host and this package say to each other, version 1.

    python3 -m aira_scale describe                                   sizes, families, versions: one line of JSON, ends
    python3 -m aira_scale price < jobs.jsonl                         counts and memory of jobs, nothing trained: a line each, ends
    python3 -m aira_scale data --help                                a data folder from text; one line of JSON, ends
    python3 -m aira_scale sweep --job job.json --folder SWEEP         three runs at 1/2, 1 and 2 x the rate; one line of JSON, ends
    python3 -m aira_scale export --help                              a checked Hugging Face directory, or configuration; one line, ends
    python3 -m aira_scale score --help                               zero-shot accuracies; one line of JSON, ends
    python3 -m aira_scale run --job job.json --folder RUN [--attached]
    torchrun --nproc_per_node N -m aira_scale run ...                the same for `parallel` ddp and fsdp

`run` reads the job (job.py; at most 1 MiB) from its file and writes events on standard output, one JSON object a line, ASCII, no NaN
and no infinity, at most LONGEST_LINE bytes each; whatever else prints lands on standard error. Events are of the leading process.

    hello       v, trainer, identity, device, deviceName, torch, python, processes, parameters, nonEmbedding,
                flopsPerToken {layers, head}, steps (of the whole run, branches included)
    result      budget, steps, tokens, flops, validationLoss, lossBeforeDecay (nats per token), parameters, nonEmbedding,
                curve [[step, training loss], ...] (at most 200), seconds, sessions, tokensPerSecond, mfu | null,
                peakMemoryBytes, cpuSeconds (of this session), weightsSha256, folder      once per budget; repeated, unchanged, by every later start
    progress    budget ("" on the trunk), step, done, steps, loss, lr, tokensPerSecond      at most one a second, and at the end of a segment
    checkpoint  path, budget, step, done, bytes, sha256
    done        after the results of all budgets; exit status 0
    stopped     reason (asked | closed | signal); the run continues from its newest checkpoint when restarted; exit status 0
    failed      reason (invalid | nan | oom | crash), message; exit status 1

Every start tells exactly one of done, stopped and failed, as its last line, unless it is killed. Starting `run` again with the same job
and folder resumes; another job in the same folder is `failed` with reason invalid.

To stop: SIGTERM or SIGUSR2, or with --attached the line {"op":"stop"} or the end of standard input. The trainer writes a checkpoint
before its next step and ends. Without --attached standard input is not read (Slurm gives /dev/null).
"""

import json
import signal
import threading
from typing import TextIO

LONGEST_LINE = 64 * 1024


class StopRequests:
    """Collects what asks the run to stop; `reason` is empty until then."""

    def __init__(self) -> None:
        self.reason = ""

    def on_signals(self) -> None:
        """SIGTERM and SIGUSR2 stop; SIGINT of a foreground group is left to the host."""
        for number in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(number, lambda *_: self._ask("signal"))

    def on_lines(self, stream: TextIO) -> None:
        """Read `stream` in a thread until it stops the run."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=self._read, args=(stream,), name="requests", daemon=True).start()

    def _read(self, stream: TextIO) -> None:
        for line in stream:
            try:
                asked = json.loads(line) == {"op": "stop"}
            except (ValueError, RecursionError):
                asked = False
            if asked:
                return self._ask("asked")
        self._ask("closed")

    def _ask(self, reason: str) -> None:
        self.reason = self.reason or reason
