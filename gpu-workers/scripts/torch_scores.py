"""How much scores depend on the version of torch: the same trainings under several Pythons, side by side.

    npm run bench:torch [-- --candidates 12]        (finds a Debian torch and the newest one, as `npm run test:torch` does)
    python3 gpu-workers/scripts/torch_scores.py PYTHON PYTHON ...

Trains random stacks of the nano screen with the native engine and with torch, one thread, the same seeds; prints a Markdown table
of score differences between the first Python and each other. Both start from equal weights (drawn by numpy) and see equal batches.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACKAGE))
TOKENS = ("M", "mA", "Mb")


def measured(count: int) -> dict:
    """The scores of `count` candidates under this interpreter: {"torch": version, "numpy": version, "scores": {engine: [...]}}."""
    import numpy
    import torch
    import yaml
    from aira_workers.native import open_engine
    from aira_workers.proxies import TORCH, Candidate, measure, parse_settings
    from aira_workers.worker.device import open_device

    device = open_device("cpu")
    metadata = yaml.safe_load((PACKAGE.parent / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())
    settings = parse_settings(metadata["profiles"]["nano"]["rungs"]["screen"]["settings"])
    rng = random.Random(7)
    stacks = [tuple(rng.choice(TOKENS) for _ in range(16)) for _ in range(count)]
    engines = {"native": open_engine(), "torch": TORCH}
    scores = {
        name: [
            measure(Candidate(stack, 1, "validation"), settings, device, engine=engine).validation for stack in stacks
        ]
        for name, engine in engines.items()
    }
    return {"torch": torch.__version__, "numpy": numpy.__version__, "scores": scores}


def ask(python: str, count: int) -> dict:
    """The same from another interpreter."""
    command = [python, __file__, "--measure", "--candidates", str(count)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def table(found: list[dict], count: int) -> str:
    """Differences of every interpreter's scores from the first one's."""
    first, *others = found
    lines = [
        f"{count} random stacks of 16 layers, nano screen, seed 1, validation score (0 to 1); "
        f"reference: torch {first['torch']}, numpy {first['numpy']}.",
        "",
        "| torch | numpy | engine | equal scores | mean absolute difference | largest | mean difference |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for other in others:
        for engine, scores in other["scores"].items():
            gaps = [b - a for a, b in zip(first["scores"][engine], scores)]
            sizes = [abs(gap) for gap in gaps]
            lines.append(
                f"| {other['torch']} | {other['numpy']} | {engine} | {sum(size == 0 for size in sizes)} of {count} | "
                f"{sum(sizes) / count:.4f} | {max(sizes):.4f} | {sum(gaps) / count:+.4f} |"
            )
    spread = [max(each) - min(each) for each in (first["scores"]["native"],)]
    lines += ["", f"For scale: the scores of these stacks range over {spread[0]:.3f}."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pythons", nargs="*")
    parser.add_argument("--candidates", type=int, default=12)
    parser.add_argument("--measure", action="store_true", help="print this interpreter's scores as JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.candidates)))
        return
    if len(options.pythons) < 2:
        parser.error("name at least two Pythons")
    print(table([ask(python, options.candidates) for python in options.pythons], options.candidates))


if __name__ == "__main__":
    main()
