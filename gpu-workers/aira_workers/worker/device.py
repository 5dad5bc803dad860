"""The device a worker trains on: its set-up, its name and memory, a speed estimate, and the memory a training used."""

import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

import torch

_CALIBRATION_SECONDS = 0.2
_CALIBRATION_SIZE = {"cpu": 512, "cuda": 4096}


def open_device(name: str) -> torch.device:
    """Return the device after setting it up for repeatable arithmetic; raises ValueError when it is not there."""
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (kind == "cpu" and index) or (index and not index.isdigit()):
        raise ValueError(f"--device must be cpu, cuda or cuda:N, got {name!r}")
    torch.set_flush_denormal(True)
    if kind == "cpu":
        torch.set_num_threads(1)
        return torch.device("cpu")
    if int(index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device {name}: this machine shows torch {torch.cuda.device_count()} CUDA devices")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("highest")
    device = torch.device("cuda", int(index or 0))
    torch.cuda.set_device(device)
    return device


def describe(device: torch.device) -> dict[str, Any]:
    """The fields of the hello event that tell about the device."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        title, memory = properties.name, properties.total_memory
    else:
        title, memory = _cpu_name(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "device": str(device),
        "deviceName": title,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "memoryBytes": int(memory),
        "calibratedFlops": _calibrate(device),
    }


def _calibrate(device: torch.device) -> int:
    """Best float32 FLOP/s of a square product within a fifth of a second: a figure for planning, not for scores."""
    size = _CALIBRATION_SIZE[device.type]
    a = torch.ones(size, size, device=device)
    best, start = 0.0, time.perf_counter()
    while time.perf_counter() - start < _CALIBRATION_SECONDS or best == 0.0:
        begin = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - begin))
    return round(best)


class UsageMeter:
    """Seconds, processor seconds and peak memory from construction to `read`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _reset_peak_resident()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, Any]:
        """peakMemoryBytes is what torch allocated on CUDA, and the largest resident size of the process on CPU."""
        cuda = self._device.type == "cuda"
        if cuda:
            torch.cuda.synchronize(self._device)
        return {
            "seconds": time.perf_counter() - self._wall,
            "cpuSeconds": time.process_time() - self._cpu,
            "peakMemoryBytes": int(torch.cuda.max_memory_allocated(self._device) if cuda else _peak_resident()),
            "device": str(self._device),
        }


def _reset_peak_resident() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # no /proc, or not writable: the peak is then that of the whole process so far


def _peak_resident() -> int:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
