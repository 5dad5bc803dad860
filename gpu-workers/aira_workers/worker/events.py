"""Events of protocol version 1, one JSON object a line, on the stream that was standard output at start-up.

    hello     v, evaluator, engine, populationSize, primitives, device, deviceName, torch, python, memoryBytes, calibratedFlops
    progress  id, key, step, steps, score                       at most ten per training
    result    id, key, validation, test, tasks, curve, seconds, cpuSeconds, params, flops, peakMemoryBytes, device
    failed    id, key, reason (invalid | nan | oom | cancelled | crash), message
    done      id                                                after every member had its result or failure
    error     message                                           a request that could not be read

primitives is the digest of every primitive of the user, by name (aira_primitives).
populationSize is how many candidates one request may bring to be trained together, 1 where they train one by one.
Accuracies are 0..1, losses nats, seconds wall and processor time of the training, calibratedFlops float32 FLOP/s,
flops as proxies/flops.py counts. `validation` and `test` are null where not measured. No float is NaN or infinite.
"""

import json
import os
import sys
import threading
from typing import Any, TextIO

from ..errors import EvaluationError
from ..proxies import Measurement


def take_stdout() -> TextIO:
    """Keep standard output for events alone: whatever else writes to it, C code included, lands on standard error."""
    sys.stdout.flush()
    stream = os.fdopen(os.dup(1), "w", buffering=1, encoding="ascii", newline="\n")
    os.dup2(2, 1)
    return stream


class EventWriter:
    """Writes whole lines from several threads. A host that has gone away is not an error: its lines are dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()  # guards the stream: one line at a time

    def write(self, event: str, **body: Any) -> None:
        # ASCII, so that a key with an unpaired surrogate comes back as it was sent.
        line = json.dumps({"event": event, **body}, allow_nan=False, separators=(",", ":"))
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except BrokenPipeError:
                pass

    def failed(self, request: str, key: str, error: EvaluationError) -> None:
        self.write("failed", id=request, key=key, reason=error.reason, message=_one_line(error))

    def result(self, request: str, key: str, measurement: Measurement, usage: dict[str, Any]) -> None:
        tasks = {
            name: {"validation": score.validation, "loss": score.loss, "test": score.test}
            for name, score in measurement.tasks.items()
        }
        self.write(
            "result",
            id=request,
            key=key,
            validation=measurement.validation,
            test=measurement.test,
            tasks=tasks,
            curve=[[step, score] for step, score in measurement.curve],
            params=measurement.params,
            flops=measurement.flops,
            **usage,
        )


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else text[:397] + "..."
