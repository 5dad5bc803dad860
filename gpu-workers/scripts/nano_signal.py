"""Measure how well the nano proxy tells architectures apart, and write the tables into docs/nano-signal.md.

    python3 gpu-workers/scripts/nano_signal.py --rung screen --seeds 4
    python3 gpu-workers/scripts/nano_signal.py --rung confirm --seeds 2 --subset
    python3 gpu-workers/scripts/nano_signal.py --rung confirm --seeds 3 --pool 2p
    python3 gpu-workers/scripts/nano_signal.py --tables-only

Trains through real worker processes with the settings of tasks/compose-mad-3p. Raw numbers go to
docs/data/nano-signal.json, one entry per (pool, rung), replaced by a new run of the same. Only what stands between the
two marker lines of the Markdown file is rewritten; the findings around it are written by hand.
"""

import argparse
import datetime
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import yaml
from separation import rank_correlation, separation

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent
RAW = REPOSITORY / "docs" / "data" / "nano-signal.json"
PAGE = REPOSITORY / "docs" / "nano-signal.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"

TOKENS = {"M": "M", "A": "mA", "B": "Mb"}

# Chosen before any of them was trained: what the literature names, the layer that cannot mix tokens, and random draws
# (random.Random(20) over "MAB" and random.Random(21) over "MA", 16 letters each, in order).
REFERENCES = {
    "Llama (mA M) x8": "AM" * 8,
    "Composer 2mA 5M 2mA 3M mA 3M": "AAMMMMMAAMMMAMMM",
    "sandwich 8mA 8M": "A" * 8 + "M" * 8,
    "reverse 8M 8mA": "M" * 8 + "A" * 8,
}
HYBRIDS = {
    "(Mb M) x8": "BM" * 8,
    "(mA M Mb M) x4": "AMBM" * 4,
    "(3Mb mA 4Mb) x2": "BBBABBBB" * 2,
    "(Mb M Mb M mA M Mb M) x2": "BMBMAMBM" * 2,
}
BLIND = {"all M": "M" * 16}
RANDOM_3P = (
    "BBMABBMABMMAAMMM AABAAMMABBAAAMBB AAMMBMMMMMMABAAB AMBMMABMMBMMMBBA AMBBABBAMBABAMMA BMBMBAAMMBMBMAMM "
    "MMAMBABBAABBMBMM ABAMMBBMMAABMBAB MMMMBBBMMMBBBMAM AAMAMMMMMMAMBAMB MAAMMMBAAMAMABAM BBMMAMAABAAAMMBA "
    "MMBBBMBBABMMAABM MMMBMBABBMBAAAMB MBABAAAMAMBAAMMA"
).split()
RANDOM_2P = (
    "MAAAAMAMMMMAAMMM MMAAAMAAMAMMMMMA MAAAMMMAMMMMMMAA MAMAAAAAAAAAMMMA "
    "MAMMAMMMAAAAMMMM MAAMMMAMMAAAMMMM AAAMAMAAMAMMAMAM MAMAMAMMAMAAAAAM"
).split()
# What a prototype of this recipe singled out, best to worst in its own ranking of other random draws.
PROTOTYPE = (
    "BBAAMABAMMMAMMAB BAMAAMBAAAAAAABB BAMMAABABMAABMMA MBBABMAAMMAAAMAM MBABAAAMMMBABMBB AAAAMMBBAMAAAMBA "
    "MBMMMMBBBBMMBMMM"
).split()
POOLS = {
    "3p": {**REFERENCES, **HYBRIDS, **BLIND, **{letters: letters for letters in RANDOM_3P}},
    "3p-prototype": {**REFERENCES, **HYBRIDS, **{letters: letters for letters in PROTOTYPE}},
    "2p": {**REFERENCES, **{letters: letters for letters in RANDOM_2P}},
}
# For more expensive rungs: the first references, hybrids, and seven of the random draws.
SUBSET = [*list(REFERENCES)[:2], *list(HYBRIDS)[:3], *RANDOM_3P[:7]]


def worker_environment() -> dict:
    """The published tuning; see worker-env.json for what each variable does."""
    tuning = json.loads((PACKAGE / "worker-env.json").read_text())
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    capability = [one["value"] for one in tuning["atenCpuCapability"] if one["cpuFlag"] in flags.split()]
    chosen = {"ATEN_CPU_CAPABILITY": capability[0]} if capability else {}
    return {**os.environ, **tuning["cpu"], **chosen, "PYTHONPATH": str(PACKAGE)}


def train_all(settings: dict, members: list, processes: int) -> tuple:
    """Train every member on `processes` workers; return (hello of the first worker, events by key)."""
    waiting: queue.Queue[dict] = queue.Queue()
    for member in members:
        waiting.put(member)
    hellos, finished = [], {}

    def drive() -> None:
        command = [sys.executable, "-m", "aira_workers", "--device", "cpu"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=worker_environment()
        ) as worker:
            hellos.append(json.loads(worker.stdout.readline()))
            while True:
                try:
                    member = waiting.get_nowait()
                except queue.Empty:
                    break
                request = {
                    "op": "evaluate",
                    "id": member["key"],
                    "proxy": settings,
                    "space": {"layers": 16, "primitives": ["M", "mA", "Mb"]},
                    "population": [member],
                }
                worker.stdin.write(json.dumps(request) + "\n")
                worker.stdin.flush()
                for line in worker.stdout:
                    event = json.loads(line)
                    if event["event"] in ("result", "failed"):
                        finished[member["key"]] = event
                        score = event.get("validation", event.get("message"))
                        print(f"{len(finished)}/{len(members)} {member['key']} {score}", file=sys.stderr)
                    if event["event"] in ("done", "error"):
                        break
            worker.stdin.close()

    threads = [threading.Thread(target=drive) for _ in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return hellos[0], finished


def measure_pool(pool: str, rung: str, seeds: int, subset: bool, processes: int) -> dict:
    """Train the pool and return the raw record that goes into the JSON file."""
    metadata = yaml.safe_load((REPOSITORY / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())
    settings = metadata["profiles"]["nano"]["rungs"][rung]["settings"]
    names = SUBSET if subset else list(POOLS[pool])
    members = [
        {
            "key": f"{name}#{seed}",
            "architecture": [TOKENS[letter] for letter in POOLS[pool][name]],
            "seed": seed,
            "measure": "validation",
        }
        for seed in range(seeds)
        for name in names
    ]
    hello, finished = train_all(settings, members, processes)
    missing = [member["key"] for member in members if finished.get(member["key"], {}).get("event") != "result"]
    if missing:
        sys.exit(f"no result for {', '.join(missing)}; nothing was written")
    return {
        "pool": pool,
        "rung": rung,
        "date": datetime.date.today().isoformat(),
        "evaluator": hello["evaluator"],
        "torch": hello["torch"],
        "python": hello["python"],
        "cpu": hello["deviceName"],
        "processes": processes,
        "architectures": {
            name: {
                "layers": POOLS[pool][name],
                "accuracy": [finished[f"{name}#{seed}"]["validation"] for seed in range(seeds)],
                "loss": [_mean_loss(finished[f"{name}#{seed}"]) for seed in range(seeds)],
                "cpuSeconds": [round(finished[f"{name}#{seed}"]["cpuSeconds"], 3) for seed in range(seeds)],
                "tasks": [finished[f"{name}#{seed}"]["tasks"] for seed in range(seeds)],
            }
            for name in names
        },
    }


def _mean_loss(event: dict) -> float:
    return float(np.mean([task["loss"] for task in event["tasks"].values()]))


def tables(record: dict) -> str:
    """Markdown of one record: how it was made, separation by group of architectures, and the ranking."""
    rows = record["architectures"]
    seconds = np.concatenate([row["cpuSeconds"] for row in rows.values()])
    seeds = len(next(iter(rows.values()))["accuracy"])
    groups = {
        "all": list(rows),
        "without all M": [name for name in rows if name != "all M"],
        "random only": [name for name in rows if name == rows[name]["layers"]],
        "all three primitives": [name for name in rows if set(rows[name]["layers"]) == set("MAB")],
    }
    lines = [
        f"### {record['pool']}, rung `{record['rung']}`",
        "",
        f"{len(rows)} architectures x {seeds} seeds, {record['date']}; evaluator `{record['evaluator']}`, torch "
        f"{record['torch']}, Python {record['python']}, {record['cpu']}, {record['processes']} processes; core-seconds "
        f"per candidate: mean {seconds.mean():.1f}, {seconds.min():.1f} to {seconds.max():.1f}.",
        "",
        "| group | architectures | accuracy: ratio / rho | loss: ratio / rho |",
        "| --- | --- | --- | --- |",
    ]
    seen = []
    for title, names in groups.items():
        if len(names) < 3 or names in seen:
            continue
        seen.append(names)
        accuracy, loss = (separation(np.array([rows[n][field] for n in names])) for field in ("accuracy", "loss"))
        cells = (f"{one.ratio:.1f} / {one.rho:.2f}" for one in (accuracy, loss))
        lines.append(f"| {title} | {len(names)} | {' | '.join(cells)} |")
    lines += ["", "| rank | architecture | accuracy, mean ± sd over seeds | loss | core-s |"]
    lines.append("| --- | --- | --- | --- | --- |")
    ranked = sorted(rows, key=lambda name: -np.mean(rows[name]["accuracy"]))
    for rank, name in enumerate(ranked, start=1):
        row = rows[name]
        lines.append(
            f"| {rank} | {name} | {np.mean(row['accuracy']):.4f} ± {np.std(row['accuracy'], ddof=1):.4f} "
            f"| {np.mean(row['loss']):.4f} | {np.mean(row['cpuSeconds']):.1f} |"
        )
    return "\n".join(lines)


def agreement(records: dict) -> str:
    """Markdown on how far two records of one pool rank their common architectures alike."""
    lines = []
    keys = list(records)
    for index, one in enumerate(keys):
        for other in keys[index + 1 :]:
            if records[one]["pool"] != records[other]["pool"]:
                continue
            a, b = records[one]["architectures"], records[other]["architectures"]
            shared = [name for name in a if name in b]
            means = [
                [np.mean([rows[name][field] for name in shared], axis=1) for rows in (a, b)]
                for field in ("accuracy", "loss")
            ]
            accuracy, loss = (rank_correlation(*pair) for pair in means)
            lines.append(
                f"Rank correlation of the seed means of `{one}` and `{other}` over the {len(shared)} architectures in "
                f"both: accuracy {accuracy:.2f}, loss {loss:.2f}."
            )
    return "\n".join(lines)


def write_page(records: dict) -> None:
    """Replace what stands between the markers of the page."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else f"# Signal of the nano proxy\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    parts = [*(tables(record) for record in records.values()), agreement(records)]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(part for part in parts if part) + f"\n\n{END}{after}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how well the nano proxy tells architectures apart.")
    parser.add_argument("--pool", choices=POOLS, default="3p", help="primitives to choose from (default: 3p)")
    parser.add_argument("--rung", choices=("screen", "confirm"), default="screen")
    parser.add_argument("--seeds", type=int, default=4, help="at least 2 (default: 4)")
    parser.add_argument("--subset", action="store_true", help="twelve of the 3p pool instead of all")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tables-only", action="store_true", help="rewrite the page, train nothing")
    options = parser.parse_args()
    if options.seeds < 2 or (options.subset and options.pool != "3p"):
        parser.error("--seeds must be at least 2, and --subset goes with --pool 3p")
    records = json.loads(RAW.read_text()) if RAW.exists() else {}
    if not options.tables_only:
        record = measure_pool(options.pool, options.rung, options.seeds, options.subset, options.processes)
        records[f"{options.pool}-{options.rung}"] = record
        RAW.parent.mkdir(parents=True, exist_ok=True)
        RAW.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    write_page(records)


if __name__ == "__main__":
    main()
