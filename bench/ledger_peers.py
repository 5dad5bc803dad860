"""The same work by the stores of other projects: a node proposed and scored, the best 20, reopening, bytes on disk.

Optuna's SQLite storage: one study, one trial per node with 16 categorical parameters, ask and tell.
OpenEvolve's program database: programs in memory, saved as files; a node is one `add`, reopening is `load`.
"""

import os
import random
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

KINDS = ("M", "mA", "Mb")
STEPS = 100


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def report(store: str, size: int, node: float, top: float, opened: float, size_bytes: float) -> None:
    row(store, size, f"{node:.2f}", f"{top:.2f}", f"{opened:.0f}", f"{size_bytes:.0f}")


def optuna_store(size: int, folder: Path) -> None:
    import optuna
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = f"sqlite:///{folder / 'study.db'}"
    space = {f"layer{index}": CategoricalDistribution(KINDS) for index in range(16)}
    draw = random.Random(1)
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(storage=url, study_name="bench", sampler=sampler, direction="maximize")
    study.add_trials(
        create_trial(params={name: draw.choice(KINDS) for name in space}, distributions=space, value=draw.random())
        for _ in range(size)
    )
    started = time.process_time()
    study = optuna.load_study(storage=url, study_name="bench", sampler=sampler)
    _ = study.best_value
    opened = 1e3 * (time.process_time() - started)
    took = []
    for _ in range(STEPS):
        started = time.process_time()
        trial = study.ask(space)
        study.tell(trial, draw.random())
        took.append(1e3 * (time.process_time() - started))
    started = time.process_time()
    sorted(study.get_trials(deepcopy=False), key=lambda each: -each.value)[:20]
    top = 1e3 * (time.process_time() - started)
    report(
        f"Optuna {version('optuna')}, SQLite",
        size,
        median(took),
        top,
        opened,
        (folder / "study.db").stat().st_size / size,
    )


def openevolve_store(size: int, folder: Path) -> None:
    import logging

    from openevolve.config import DatabaseConfig
    from openevolve.database import Program, ProgramDatabase

    logging.disable(logging.CRITICAL)
    draw = random.Random(1)
    config = DatabaseConfig(db_path=str(folder), population_size=size + STEPS + 1, log_prompts=False)

    def program(index: int) -> Program:
        code = " ".join(draw.choice(KINDS) for _ in range(16))
        return Program(id=f"node-{index}", code=code, metrics={"combined_score": draw.random()}, generation=0)

    database = ProgramDatabase(config)
    for index in range(size):
        database.add(program(index))
    took = []
    for index in range(STEPS):
        started = time.process_time()
        database.add(program(size + index))
        took.append(1e3 * (time.process_time() - started))
    started = time.process_time()
    database.get_top_programs(20)
    top = 1e3 * (time.process_time() - started)
    database.save(str(folder))
    started = time.process_time()
    ProgramDatabase(config).load(str(folder))
    opened = 1e3 * (time.process_time() - started)
    # What files take of the disk, not what is written in them: there is one per program.
    used = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    report(f"OpenEvolve {version('openevolve')}, files", size, median(took), top, opened, used / (size + STEPS))


def main() -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    row("store", "nodes", "CPU ms/node, median", "top 20, CPU ms", "reopen and best, CPU ms", "bytes/node")
    row("---", *["--:"] * 5)
    for size in (int(text) for text in sys.argv[1:]):
        for store in (optuna_store, openevolve_store):
            with tempfile.TemporaryDirectory(prefix="aira-bench-") as folder:
                store(size, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
