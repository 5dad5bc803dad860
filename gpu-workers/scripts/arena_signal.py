"""What the nano tasks of the Arena can tell apart: floors, baseline, mixers of the library, noise, growth; and what long range is worth.

    python3 gpu-workers/scripts/arena_signal.py train [--tasks listops] [--mixers full ssd] [--seeds 101 102] [--control]
    python3 gpu-workers/scripts/arena_signal.py floors [--tasks listops]
    python3 gpu-workers/scripts/arena_signal.py growth
    python3 gpu-workers/scripts/arena_signal.py page

`train` runs the judge's own steps (prepare, host-train, host-predict, score; the program as a thread of this process) on the screen
rung and adds each result to docs/data/arena-signal.json; what is there already, of the same evaluator and settings, is not
trained again, so that the work can be cut into pieces. Figures are of validation rows. `--control` trains on rows whose windows of
16 tokens stand in random order: what is left is what can be had without knowing how far apart things stand. `floors` measures
them for tasks of which nothing has been trained. `page` writes
the tables between the markers of docs/tasks.md and trains nothing.
"""

import argparse
import hashlib
import json
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
import yaml

PACKAGE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACKAGE))
sys.path.insert(0, str(PACKAGE / "scripts"))

from aira_design.candidate import import_file
from aira_design.channel import Channel
from aira_design.layout import load, read_json, read_predictions, save, write_json
from aira_design.lra import host, loops, mixers
from aira_design.lra.data import splits
from aira_design.lra.floors import NAMES, floors
from aira_design.lra.growth import LENGTHS, SUB_QUADRATIC, growth
from aira_design.settings import LraSettings, parse_settings
from aira_design.version import design_version
from separation import separation

REPOSITORY = PACKAGE.parent
RAW = REPOSITORY / "docs" / "data" / "arena-signal.json"
PAGE = REPOSITORY / "docs" / "tasks.md"
BEGIN, END = "<!-- arena: begin -->", "<!-- arena: end -->"
TASKS = ("listops", "text", "retrieval")
MIXERS = sorted(file.stem for file in (REPOSITORY / "tasks" / "mixers").glob("*.py"))
WINDOW = 16  # that of local_window.py
_SECRET = b"the table of the arena"
_WIDTH, _HEADS = 64, 4


def shuffled(inputs: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """(rows, documents, length): each document's windows in an order drawn from its own content, so that equal rows stay equal."""
    found = np.zeros_like(inputs)
    for row, documents in enumerate(inputs):
        for place, document in enumerate(documents):
            used = document[document > 0]
            windows = [used[start : start + window] for start in range(0, len(used), window)]
            order = np.random.default_rng(
                np.frombuffer(hashlib.sha256(used.tobytes()).digest(), np.uint32)
            ).permutation(len(windows))
            found[row, place, : len(used)] = np.concatenate([windows[index] for index in order])
    return found


def measure(settings: LraSettings, mixer: str, seed: int, control: bool, data: Path | None = None) -> dict[str, float]:
    """The metrics of one training on validation rows, with `cpu_seconds` of both sides of training and prediction.

    `data` is a preparation of these settings and this seed; without one the rows are drawn here.
    """
    with tempfile.TemporaryDirectory() as place:
        out = Path(place)
        if data is None:
            write_json(out / "manifest.json", host.prepare(settings, seed, _SECRET, None, out / "data"))
        else:
            shutil.copytree(data, out, dirs_exist_ok=True)
        manifest = read_json(out / "manifest.json")
        record, candidate, state, answers = (out / name for name in ("manifest.json", "candidate", "state", "answers"))
        for folder in (candidate, state, answers):
            folder.mkdir()
        shutil.copy(REPOSITORY / "tasks" / "mixers" / f"{mixer}.py", candidate / "model.py")
        for split in ("train", "validation") if control else ():
            changed = {"inputs": shuffled(load(out / "data" / split, "inputs"))}
            if split == "train":
                changed["targets"] = load(out / "data" / split, "targets")
            save(out / "data" / split, **changed)
        start = time.process_time()
        _meet(
            candidate,
            lambda channel: loops.train(
                settings, seed, out / "data" / "train", record, candidate, channel, state, "cpu"
            ),
        )
        _meet(
            candidate,
            lambda channel: loops.predict(
                settings, out / "data" / "validation", record, state, channel, answers, "cpu"
            ),
        )
        seconds = time.process_time() - start
        predictions = read_predictions(answers / "predictions.f32", manifest["splits"]["validation"])
        return {
            **host.score(settings, manifest, out / "data" / "hidden", "validation", predictions, state),
            "cpu_seconds": seconds,
        }


def _meet(candidate: Path, work) -> None:
    ours, theirs = socket.socketpair()
    program = threading.Thread(
        target=lambda: mixers.serve(candidate, Channel(theirs, None), torch.device("cpu")) or theirs.close()
    )
    program.start()
    try:
        work(Channel(ours, 600.0))
    finally:
        ours.close()
        program.join()


def settings_of(task: str) -> tuple[LraSettings, str]:
    """The nano screen of the fixed task, and a digest of it."""
    metadata = yaml.safe_load((REPOSITORY / "tasks" / f"design-lra-{task}-fixed" / "metadata.yaml").read_text())
    value = metadata["profiles"]["nano"]["rungs"]["screen"]["settings"]
    return parse_settings(value), hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def baseline_of(task: str) -> str:
    metadata = yaml.safe_load((REPOSITORY / "tasks" / f"design-lra-{task}-fixed" / "metadata.yaml").read_text())
    return Path(metadata["design"]["baseline"]["model.py"]).stem


def train(raw: dict, tasks: list[str], names: list[str], seeds: list[int], control: bool) -> None:
    evaluator = design_version()
    for task in tasks:
        settings, digest = settings_of(task)
        for seed in seeds:
            wanted = {mixer: f"{task} {mixer} {seed}{' control' if control else ''}" for mixer in names}
            known = {mixer: raw["trainings"].get(key, {}) for mixer, key in wanted.items()}
            missing = [
                mixer
                for mixer, one in known.items()
                if (one.get("evaluator"), one.get("settings")) != (evaluator, digest)
            ]
            if not missing:
                continue
            with tempfile.TemporaryDirectory() as place:
                write_json(
                    Path(place) / "manifest.json", host.prepare(settings, seed, _SECRET, None, Path(place) / "data")
                )
                for mixer in missing:
                    found = measure(settings, mixer, seed, control, Path(place))
                    metrics = {name: round(value, 4) for name, value in found.items()}
                    raw["trainings"][wanted[mixer]] = {
                        "task": task, "mixer": mixer, "seed": seed, "control": control, "evaluator": evaluator,
                        "settings": digest, "torch": torch.__version__, "metrics": metrics,
                    }  # fmt: skip
                    _write(raw)
                    print(f"{wanted[mixer]}: {metrics['accuracy']:.3f}, {metrics['cpu_seconds']:.0f} s", flush=True)


def measure_floors(raw: dict, tasks: list[str], seed: int) -> None:
    raw.setdefault("floors", {})
    for task in tasks:
        settings, digest = settings_of(task)
        found = floors(settings.data, splits(settings.data, seed, _SECRET, None))["validation"]
        raw["floors"][task] = {
            "settings": digest,
            "seed": seed,
            **{name: round(share, 4) for name, share in found.items()},
        }
    _write(raw)


def measure_growth(raw: dict) -> None:
    for mixer in MIXERS:
        found = growth(import_file(REPOSITORY / "tasks" / "mixers" / f"{mixer}.py", mixer).build, _WIDTH, _HEADS)
        raw["growth"][mixer] = {"time": round(found.time, 2), "memory": round(found.memory, 2)}
    _write(raw)


def page(raw: dict) -> str:
    """Markdown of everything that was measured, by task; a training of older sources or settings says so in its row."""
    return "\n\n".join(part for part in (*(_task_table(raw, task) for task in TASKS), _growth_table(raw)) if part)


def _task_table(raw: dict, task: str) -> str:
    _, digest = settings_of(task)
    rows = [one for one in raw["trainings"].values() if one["task"] == task and one["settings"] == digest]
    plain = [one for one in rows if not one["control"]]
    if not plain:
        below = raw.get("floors", {}).get(task)
        known = below and below["settings"] == digest
        said = ", ".join(f"{name} {below[name]:.3f}" for name in NAMES) if known else "not measured"
        return f"**{task}**: nothing has been trained at the present settings. Floors: {said}."
    seeds = sorted({one["seed"] for one in plain})
    below = {name: np.mean([one["metrics"][f"floor_{name}"] for one in plain]) for name in NAMES}
    lines = [
        f"**{task}**, screen, {plain[0]['metrics']['rows']:.0f} rows; {len(seeds)} seeds; `{plain[-1]['evaluator']}`, torch {plain[-1]['torch']}.",
        "",
        "| | accuracy, mean over seeds | standard deviation | seeds | core-s |",
        "| --- | --- | --- | --- | --- |",
        *(f"| floor: {name} | {share:.3f} | | | |" for name, share in below.items()),
    ]  # fmt: skip
    means = {}
    for mixer in MIXERS:
        found = [one["metrics"] for one in plain if one["mixer"] == mixer]
        if found:
            means[mixer] = np.array([one["accuracy"] for one in found])
            title = f"{mixer} (baseline)" if mixer == baseline_of(task) else mixer
            lines.append(_row(title, found))
    lines += [
        _row(
            f"{mixer}, windows of {WINDOW} shuffled",
            [one["metrics"] for one in rows if one["control"] and one["mixer"] == mixer],
        )
        for mixer in sorted({one["mixer"] for one in rows if one["control"]})
    ]
    lines += ["", _verdict(means, below)]
    return "\n".join(lines)


def _row(title: str, found: list[dict]) -> str:
    scores = np.array([one["accuracy"] for one in found])
    spread = f"{scores.std(ddof=1):.3f}" if len(scores) > 1 else "not measured"
    return f"| {title} | {scores.mean():.3f} | {spread} | {len(scores)} | {np.mean([one['cpu_seconds'] for one in found]):.0f} |"


def _verdict(means: dict[str, np.ndarray], below: dict[str, float]) -> str:
    """Floor against half-way to full attention, and how far the mixers separate."""
    said = []
    highest = max(below["bag"], below["shortcut"])
    if "full" in means:
        half = (below["majority"] + means["full"].mean()) / 2
        said.append(
            f"The highest floor, {highest:.3f}, is {'not above' if highest <= half else 'above'} the half-way mark between majority and "
            f"full attention, {half:.3f}."
        )
    counts = {len(scores) for scores in means.values()}
    if set(means) == set(MIXERS) and len(counts) == 1 and min(counts) > 1:
        said.append(
            f"Ratio of variance between mixers to that between seeds: {separation(np.array(list(means.values()))).ratio:.1f}."
        )
    else:
        said.append(
            f"Ratio between mixers and seeds: not measured; {len(means)} of {len(MIXERS)} mixers have been trained."
        )
    return " ".join(said)


def _growth_table(raw: dict) -> str:
    if not raw["growth"]:
        return ""
    lines = [
        f"**Growth** of one forward and backward pass from {LENGTHS[0]} to {LENGTHS[1]} tokens at width {_WIDTH}: exponents, 1 linear, 2 "
        f"quadratic; below {SUB_QUADRATIC} in both counts as sub-quadratic.",
        "",
        "| mixer | time | memory | sub-quadratic |",
        "| --- | --- | --- | --- |",
    ]
    for mixer, found in raw["growth"].items():
        below = max(found["time"], found["memory"]) < SUB_QUADRATIC
        lines.append(f"| {mixer} | {found['time']:.2f} | {found['memory']:.2f} | {'yes' if below else 'no'} |")
    return "\n".join(lines)


def _write(raw: dict) -> None:
    RAW.write_text(json.dumps(raw, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    training = verbs.add_parser("train")
    training.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    training.add_argument("--mixers", nargs="+", default=MIXERS, choices=MIXERS)
    training.add_argument("--seeds", nargs="+", type=int, default=[101, 102, 103])
    training.add_argument("--control", action="store_true")
    verbs.add_parser("floors").add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    verbs.add_parser("growth")
    verbs.add_parser("page")
    options = parser.parse_args()
    torch.set_num_threads(1)
    raw = json.loads(RAW.read_text()) if RAW.exists() else {"trainings": {}, "growth": {}}
    if options.verb == "train":
        train(raw, options.tasks, options.mixers, options.seeds, options.control)
    elif options.verb == "floors":
        measure_floors(raw, options.tasks, 101)
    elif options.verb == "growth":
        measure_growth(raw)
    else:
        text = PAGE.read_text(encoding="utf-8")
        if BEGIN not in text or END not in text:
            sys.exit(f"{PAGE} has no place for the tables: {BEGIN} and {END}")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{page(raw)}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
