"""Serves requests until shutdown: one thread reads, the main thread trains.

Role: turn requests into events. Not its role: deadlines, memory limits, killing; the host owns those. Invariants:
1. Every member of a readable `evaluate` gets exactly one `result` or `failed`, then the request gets one `done`,
   whatever happens to the other members.
2. Requests are served in the order of arrival; members in the order of the population, or together where the engine
   trains populations; each result is written as soon as there is one.
3. Training happens on one thread only. One by one, members share no mutable state; together (population/), each has
   arithmetic of its own. So other candidates of the batch do not change scores.
4. `cancel`, `shutdown` and the end of standard input take effect between two training steps.
"""

import gc
import queue
import sys
import threading
import traceback
from typing import TextIO

import torch
from aira_primitives.bind import is_own

from ..errors import Cancelled, EvaluationError, OutOfMemory, UnreadableRequest
from ..population import Outcome, PopulationEngine, measure_together
from ..proxies import TORCH, Candidate, Engine, Hooks, Measurement, Settings, measure, parse_settings
from .device import UsageMeter
from .events import EventWriter
from .requests import Cancel, Evaluate, Member, Shutdown, candidate_of, parse_request


class Server:
    """`serve` returns when the host asked for shutdown or closed the request stream."""

    def __init__(self, device: torch.device, engine: Engine, requests: TextIO, events: EventWriter) -> None:
        self._device, self._engine, self._requests, self._events = device, engine, requests, events
        self._waiting: queue.Queue[Evaluate | None] = queue.Queue()
        self._live: dict[str, threading.Event] = {}  # cancel flags of requests queued or running
        self._live_lock = threading.Lock()  # guards _live: the reader adds, the trainer removes
        self._closing = threading.Event()

    def serve(self) -> None:
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        while True:
            request = self._waiting.get()
            if request is None:
                return
            self._run(request)

    def _read(self) -> None:
        try:
            for line in self._requests:
                if line.strip() and not self._accept(line):
                    break
        finally:
            self._closing.set()
            self._waiting.put(None)

    def _accept(self, line: str) -> bool:
        """Act on one line; False means shutdown."""
        try:
            request = parse_request(line)
            if isinstance(request, Evaluate):
                with self._live_lock:
                    if request.id in self._live:
                        raise UnreadableRequest(f"evaluate: the request {request.id!r} is still being served")
                    self._live[request.id] = threading.Event()
                self._waiting.put(request)
            elif isinstance(request, Cancel):
                with self._live_lock:
                    flag = self._live.get(request.id)
                if flag is not None:  # else it has just finished: nothing is left to cancel
                    flag.set()
        except UnreadableRequest as error:
            self._events.write("error", message=str(error))
            return True
        return not isinstance(request, Shutdown)

    def _run(self, request: Evaluate) -> None:
        try:
            settings: Settings | None = parse_settings(request.proxy)
            refused: EvaluationError | None = None
        except EvaluationError as error:
            settings, refused = None, error
        if isinstance(self._engine, PopulationEngine) and settings is not None:
            self._run_together(request, settings, self._engine)
        else:
            for member in request.population:
                try:
                    if settings is None:
                        raise refused
                    meter = UsageMeter(self._device)
                    measurement = self._measure(request, member, settings)
                    self._events.result(request.id, member.key, measurement, meter.read())
                except EvaluationError as error:
                    self._events.failed(request.id, member.key, error)
        with self._live_lock:
            del self._live[request.id]
        self._events.write("done", id=request.id)

    def _run_together(self, request: Evaluate, settings: Settings, engine: PopulationEngine) -> None:
        """Every member's event, whatever happens. Time is shared out evenly among those that trained together."""
        members: list[Member] = []
        candidates: list[Candidate] = []
        for member in request.population:
            try:
                candidates.append(candidate_of(member, request.space))
                members.append(member)
            except EvaluationError as error:
                self._events.failed(request.id, member.key, error)
        owing = dict(enumerate(members))
        waiting: list[tuple[int, Measurement]] = []
        meter = UsageMeter(self._device)

        def finished(place: int, outcome: Outcome) -> None:
            if isinstance(outcome, EvaluationError):
                self._events.failed(request.id, owing.pop(place).key, outcome)
            else:
                waiting.append((place, outcome))

        def settle() -> None:
            nonlocal meter
            usage = meter.read()
            for figure in ("seconds", "cpuSeconds"):
                usage[figure] /= max(1, len(waiting))
            for place, measurement in waiting:
                self._events.result(request.id, owing.pop(place).key, measurement, usage)
            waiting.clear()
            meter = UsageMeter(self._device)

        try:
            hooks = [self._hooks(request, member) for member in members]
            measure_together(engine, candidates, settings, hooks, finished, settle, _is_out_of_memory)
        except EvaluationError as error:
            settle()
            self._fail(request, owing, error)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            settle()
            self._fail(request, owing, EvaluationError(f"{type(error).__name__}: {error}"))

    def _fail(self, request: Evaluate, owing: dict[int, Member], error: EvaluationError) -> None:
        for member in owing.values():
            self._events.failed(request.id, member.key, error)

    def _hooks(self, request: Evaluate, member: Member) -> Hooks:
        cancelled = self._live[request.id]

        def progress(step: int, steps: int, score: float) -> None:
            self._events.write("progress", id=request.id, key=member.key, step=step, steps=steps, score=score)

        return Hooks(lambda: cancelled.is_set() or self._closing.is_set(), progress)

    def _measure(self, request: Evaluate, member: Member, settings: Settings) -> Measurement:
        """The member's measurement; raises EvaluationError and nothing else."""
        hooks = self._hooks(request, member)
        try:
            candidate = candidate_of(member, request.space)
            if hooks.should_stop():
                raise Cancelled("the request was cancelled before this candidate started")
            # Compiled code knows the built-in layers alone.
            engine = TORCH if any(is_own(token) for token in candidate.architecture) else self._engine
            return measure(candidate, settings, self._device, hooks, engine)
        except EvaluationError:
            raise
        except Exception as error:  # the candidate's failure must not end the process or the other candidates
            if _is_out_of_memory(error):
                raise OutOfMemory(f"the device ran out of memory: {error}") from error
            traceback.print_exc(file=sys.stderr)
            raise EvaluationError(f"{type(error).__name__}: {error}") from error
        finally:
            if self._device.type == "cuda":
                gc.collect()
                torch.cuda.empty_cache()


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
