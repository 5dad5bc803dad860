"""Whether everything that trains on a GPU works on this one, and how fast: under four minutes, one device.

    npm run check:gpu                (writes its section of BENCHMARKS.md; exit 2 where torch shows no CUDA device)
    python3 gpu-workers/scripts/check_gpu.py [--device cuda:0] [--page BENCHMARKS.md] [--seconds 220]

Four parts, each skipped with a word when the time is nearly used:
  products    square matrix products in float32, TF32 and bfloat16
  scale step  forward, backward and optimiser of aira_scale in bfloat16, plain, as a CUDA graph, and compiled
  halving     a population larger than the memory ends whole after it was halved
  population  candidates trained together (bfloat16 projections, CUDA graphs), against one at a time
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PACKAGE), str(PACKAGE / "scripts")]

import torch

BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"
NO_DEVICE = "check:gpu: torch shows no CUDA device here, so nothing was measured; `aira doctor` says what driver and torch see.\n"


def best_seconds(run: Callable[[], object], device: torch.device, seconds: float, warm: int = 2) -> float:
    """The shortest of repeated runs within `seconds`, at least three, after `warm` runs."""
    wait = (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
    for _ in range(warm):
        run()
    wait()
    best, count, start = float("inf"), 0, time.perf_counter()
    while count < 3 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        run()
        wait()
        best = min(best, time.perf_counter() - begin)
        count += 1
    return best


def products(device: torch.device, size: int, seconds: float) -> dict[str, float]:
    """FLOP/s of a square product by kind of operand."""
    kinds = {"float32": (torch.float32, False), "bfloat16": (torch.bfloat16, False)}
    if device.type == "cuda":
        kinds["TF32"] = (torch.float32, True)
    found = {}
    for name, (dtype, rounded) in kinds.items():
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if rounded else "highest")
        a = torch.ones(size, size, device=device, dtype=dtype)
        found[name] = 2 * size**3 / best_seconds(lambda a=a: a @ a, device, seconds)
        torch.set_float32_matmul_precision(before)
    return found


def scale_steps(
    device: torch.device, size: str, pattern: tuple[str, ...], length: int, rows: int, seconds: float, graphs: bool
) -> tuple[dict[str, float | str], float, int]:
    """Seconds per training step by way of running it (or why one failed), FLOPs per token, tokens per step."""
    from aira_scale.counts import training_flops
    from aira_scale.initial import initialise
    from aira_scale.job import OptimiserSpec
    from aira_scale.model import ModelSpec, ScaleModel
    from aira_scale.optimiser import ScaleOptimiser
    from aira_scale.shapes import SIZES

    spec = ModelSpec("llama", list(pattern), SIZES[size].shape, 512)
    model = ScaleModel(spec)
    initialise(model, 1)
    model.to(device)
    optimiser = ScaleOptimiser(model, OptimiserSpec(1e-3, 0.1, 0.9, 0.95, 0.95, 1.0))
    tokens = torch.randint(0, spec.vocabulary, (rows, length + 1), device=device)

    def gradients(loss: Callable) -> None:
        optimiser.zero_gradients()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            value = loss(tokens)
        value.backward()

    def plain() -> None:
        gradients(model.loss)
        optimiser.step(1.0)

    found: dict[str, float | str] = {"plain": best_seconds(plain, device, seconds)}
    ways: dict[str, Callable[[], Callable]] = {"compiled": lambda: _compiled_step(model, gradients, optimiser)}
    if graphs:
        ways["CUDA graph of forward and backward"] = lambda: _graph_step(model, tokens, optimiser, device)
    for name, make in ways.items():
        try:
            found[name] = best_seconds(make(), device, seconds)
        except Exception as error:  # which kernels a compiler or a recording supports differs by device and version
            found[name] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
    flops = training_flops(spec.pattern, spec.family, spec.shape, spec.vocabulary, length).total
    return found, flops, rows * length


def _compiled_step(model, gradients: Callable, optimiser) -> Callable[[], None]:
    compiled = torch.compile(model.loss)

    def step() -> None:
        gradients(compiled)
        optimiser.step(1.0)

    return step


def _graph_step(model, tokens: torch.Tensor, optimiser, device: torch.device) -> Callable[[], None]:
    """Forward and backward recorded once; the optimiser runs outside, as in a step."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())

    def work() -> None:
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            loss = model.loss(tokens)
        loss.backward()

    with torch.cuda.stream(side):
        for _ in range(3):
            optimiser.zero_gradients()
            work()
    torch.cuda.current_stream().wait_stream(side)
    optimiser.zero_gradients()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()

    def step() -> None:
        for parameter in model.parameters():
            parameter.grad.zero_()
        graph.replay()
        optimiser.step(1.0)

    return step


def halving(device: torch.device, members: int, limit: float | None) -> str:
    """Train more candidates together than fit into `limit` (a share of the device's memory) and say how it ended."""
    from aira_workers.population import PopulationEngine, measure_together
    from aira_workers.proxies import Hooks, Measurement
    from aira_workers.worker.server import _is_out_of_memory
    from bench_population import drawn, settings_of

    if limit is not None:
        torch.cuda.set_per_process_memory_fraction(limit, device)
    try:
        settings, _ = settings_of("small", 1)
        engine = PopulationEngine(device, members)
        ended: list[object] = []
        measure_together(
            engine,
            drawn(members),
            settings,
            [Hooks()] * members,
            lambda _, outcome: ended.append(outcome),
            lambda: None,
            _is_out_of_memory,
        )
        scored = sum(isinstance(outcome, Measurement) for outcome in ended)
        return f"{scored} of {members} candidates have a score, {len(ended) - scored} did not fit alone"
    finally:
        if limit is not None:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
            torch.cuda.empty_cache()


def step_rows(found: dict[str, float | str], flops: float, tokens: int, peak: float) -> list[str]:
    """Markdown rows: time, tokens per second, and model FLOPs per second as a share of the measured peak."""
    rows = []
    for name, seconds in found.items():
        if isinstance(seconds, str):
            rows.append(f"| {name} | failed: {seconds.replace('|', '/')} | - | - |")
        else:
            share = flops * tokens / seconds / peak
            rows.append(f"| {name} | {1000 * seconds:.1f} | {tokens / seconds:,.0f} | {100 * share:.0f} % |")
    return rows


def section(device: torch.device, budget: float, small: bool = False) -> str:
    """Markdown of all parts. `small`: sizes of a test on the CPU."""
    begin = time.perf_counter()

    def left() -> float:
        return budget - (time.perf_counter() - begin)

    peaks = products(device, 256 if small else 8192, 0.05 if small else 1.0)
    size, pattern = ("0.1M", ("mA", "M", "Mb")) if small else ("350M", ("mA", "M", "Mb", "M") * 3)
    length, rows = (32, 2) if small else (2048, 8)
    steps, flops, tokens = scale_steps(
        device, size, pattern, length, rows, 0.05 if small else 3.0, graphs=device.type == "cuda"
    )
    lines = [
        " , ".join(f"{name} {flop / 1e12:.1f} TFLOP/s" for name, flop in peaks.items()).replace(" ,", ","),
        "",
        f"Training step of aira_scale, shape {size}, {len(pattern)} layers, {tokens} tokens, bfloat16 on CUDA; the share is of the "
        "measured bfloat16 product:",
        "",
        "| way | ms per step | tokens/s | share of the peak |",
        "| --- | --- | --- | --- |",
        *step_rows(steps, flops, tokens, peaks["bfloat16"]),
    ]
    if small:
        return "\n".join(lines)
    if left() > 60:
        lines += ["", f"A population larger than a tenth of the memory: {halving(device, 64, 0.1)}."]
    if left() > 60:
        from bench_population import population_section

        lines += ["", population_section(device, (1, 8, 32), "small")]
    else:
        lines += ["", "Populations: not measured, the time was used."]
    return "\n".join(lines)


def write(page: Path, text: str) -> None:
    """Replace what is between the markers of the page."""
    old = page.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--page", type=Path, default=PACKAGE.parent / "BENCHMARKS.md")
    parser.add_argument("--seconds", type=float, default=220)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.stderr.write(NO_DEVICE)
        return 2
    from aira_workers.worker.device import open_device

    device = open_device(options.device)
    card = torch.cuda.get_device_properties(device)
    title = (
        f"{time.strftime('%Y-%m-%d')}, {card.name}, compute capability {card.major}.{card.minor}, "
        f"{card.total_memory / 2**30:.0f} GB, torch {torch.__version__}, CUDA {torch.version.cuda}: "
    )
    text = title + section(device, options.seconds)
    print(text)
    write(options.page, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
