"""What a core can do at most (peak.cpp), and what each part of a training step takes (parts.cpp): compiled as the engine is."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
sys.path.insert(0, str(SCRIPTS.parent))

STEP_TOKENS = 24 * 32


def compiled(name: str, folder: str) -> str:
    """The path of the program `name`.cpp, compiled with the engine's flags for this processor."""
    from aira_workers.native.build import FLAGS, SOURCES, best_variant, cpu_flags, find_compiler

    program = str(Path(folder) / name)
    flags = [*FLAGS, *best_variant(cpu_flags()).flags, f"-I{SOURCES}"]
    subprocess.run([find_compiler(), *flags, str(SCRIPTS / f"{name}.cpp"), "-o", program], check=True)
    return program


def run(program: str) -> str:
    return subprocess.run([program], capture_output=True, check=True, text=True).stdout


class Peak:
    """Multiply-adds per second of one core in registers; the program is compiled once."""

    def __init__(self, folder: str) -> None:
        self._program = compiled("peak", folder)

    def __call__(self) -> float:
        return max(float(run(self._program)) for _ in range(3))


def parts_table(folder: str) -> str:
    """A step of each kind of layer: its dense products, the rest of forward and backward, and Muon for its matrices."""
    heads = ("layer", "step, us", "dense products", "their GFLOP/s", "all else forward and backward", "Muon")
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for line in run(compiled("parts", folder)).splitlines():
        part = json.loads(line)
        blocks = STEP_TOKENS / part["tokens"]
        products, rest, update = blocks * part["products"], blocks * (part["both"] - part["products"]), part["update"]
        step = products + rest + update
        cells = [part["layer"], f"{step:.0f}", f"{products / step:.0%}", f"{part['rate'] / 1e9:.0f}"]
        cells += [f"{rest / step:.0%}", f"{update / step:.0%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
