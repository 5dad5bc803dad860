"""What a ladder of rungs loses against training everybody fully, and where a training may be stopped early.

    python3 gpu-workers/scripts/halving.py --screen tables/compose-mad-3p-6.json --full F.npz [--full G.npz]
    python3 gpu-workers/scripts/halving.py --screen S.npz --confirm C.npz --full F.npz
    python3 gpu-workers/scripts/halving.py --screen tables/compose-mad-3p-6.json@1 --full tables/compose-mad-3p-6.json@2,3

The files are learning curves (learning_curves.py) under the settings of each rung, or a measured table, of which `@` chooses
seeds; what all rungs have in common is compared. A candidate's final score is its mean accuracy over the full training, averaged over its seeds. Every
figure is a mean over many draws of `--draw` architectures (default: half), so that it does not hang on one of them:

* agreement: rank correlation of a rung with the final score;
* regret: final score of the best architecture of the draw minus that of the one that the ladder ends with;
* kept: share of draws in which the best one, and of the best five those, reach the full training;
* cost: steps spent, relative to training everybody fully.
"""

import argparse
import json
from pathlib import Path
from typing import Dict, List, NamedTuple

import numpy as np
from read_curves import read
from scipy.stats import spearmanr

DRAWS = 2000


class Rung(NamedTuple):
    """scores: letters -> mean accuracy per seed; curves: letters -> accuracy (seeds, bins), where there are any."""

    steps: int
    scores: Dict[str, np.ndarray]
    curves: Dict[str, np.ndarray]


def load(paths: List[str]) -> Rung:
    curves: Dict[str, np.ndarray] = {}
    for path in paths:
        path, _, seeds = path.partition("@")
        if path.endswith(".json"):
            table = json.loads(Path(path).read_text())
            places = [table["seeds"].index(int(seed)) for seed in seeds.split(",")] if seeds else slice(None)
            letter = {"M": "M", "mA": "A", "Mb": "B"}
            scores = {"".join(letter[one] for one in name.split()): s for name, s in table["scores"].items()}
            scores = {letters: np.array(s)[places] for letters, s in scores.items()}
            return Rung(table["settings"]["steps"] * len(next(iter(scores.values()))), scores, {})
        found = read(path)
        steps = found.bin * found.curves.shape[-1]
        curves.update(zip(found.letters, found.curves[:, :, 0].mean(2)))
    return Rung(steps, {letters: each.mean(1) for letters, each in curves.items()}, curves)


def ladder(rng, count: int, steps: dict, screen, confirm, final, keep: float, finalists: int) -> tuple:
    """One rule on many draws: mean regret, its 90th percentile, share that keeps the best, best five kept, cost."""
    regrets, kept, five, costs = [], [], [], []
    for _ in range(DRAWS):
        draw = rng.permutation(len(final))[:count]
        first = screen[draw, rng.integers(screen.shape[1])]
        promoted = draw[np.argsort(-first)[: max(finalists, round(keep * len(draw)))]]
        if confirm is not None:
            second = confirm[promoted, rng.integers(confirm.shape[1])]
            chosen = promoted[np.argsort(-second)[:finalists]]
        else:
            chosen = promoted  # without a rung between, all promoted are trained in full
        best = draw[np.argsort(-final[draw])]
        regrets.append(final[best[0]] - final[chosen].max())
        kept.append(best[0] in chosen)
        five.append(np.isin(best[:5], promoted).mean())
        spent = len(draw) * steps["screen"] + len(chosen) * steps["full"]
        spent += len(promoted) * steps["confirm"] if confirm is not None else 0
        costs.append(spent / (len(draw) * steps["full"]))
    return np.mean(regrets), np.quantile(regrets, 0.9), np.mean(kept), np.mean(five), np.mean(costs)


def early_stops(accuracy: np.ndarray) -> list:
    """accuracy (architectures, seeds, bins) -> (share of the training, share of trainings that could end there) without losing any of the best fifth.

    At each share of the training the bar is the worst running accuracy of a later winner (best fifth by whole training),
    lowered by half a standard deviation of the winners; whoever is below would be stopped.
    """
    found = []
    for share in (0.2, 0.3, 0.4, 0.5, 0.6, 0.8):
        bins = round(share * accuracy.shape[-1])
        running, whole = accuracy[..., :bins].mean(-1), accuracy.mean(-1)
        stopped = []
        for seed in range(accuracy.shape[1]):
            winners = np.argsort(-whole[:, seed])[: max(2, len(whole) // 5)]
            bar = running[winners, seed].min() - 0.5 * running[winners, seed].std()
            stopped.append((running[:, seed] < bar).mean())
        found.append((share, float(np.mean(stopped))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for rung in ("screen", "confirm", "full"):
        parser.add_argument(f"--{rung}", action="append", required=rung != "confirm")
    parser.add_argument("--draw", type=int)
    options = vars(parser.parse_args())
    size = options.pop("draw")
    rungs = {rung: load(paths) for rung, paths in options.items() if paths}
    common = sorted(set.intersection(*(set(rung.scores) for rung in rungs.values())))
    if len(common) < 6:
        raise SystemExit(f"the rungs have only {len(common)} architectures in common")
    steps = {name: rung.steps for name, rung in rungs.items()}
    by_rung = {name: np.array([rung.scores[letters] for letters in common]) for name, rung in rungs.items()}
    final = by_rung["full"].mean(1)
    rng = np.random.default_rng(0)
    print(f"{len(common)} architectures")
    for rung, found in by_rung.items():
        single = np.mean([spearmanr(found[:, seed], final)[0] for seed in range(found.shape[1])])
        mean = spearmanr(found.mean(1), final)[0]
        print(f"{rung}: {steps[rung]} steps, {found.shape[1]} seeds; rank correlation with the final score: ", end="")
        print(f"single {single:.2f}, mean of seeds {mean:.2f}")
    print("| screened | confirmed | fully trained | regret, mean | 90 % below | best kept | best five promoted | cost |")
    print("|" + " --- |" * 8)
    count = size or len(common) // 2
    plans = [(keep, finalists, None) for keep in (0.05, 0.1, 0.2, 0.3, 0.5) for finalists in (1,)]
    if "confirm" in by_rung:
        plans = [(keep, few, by_rung["confirm"]) for keep in (0.1, 0.2, 0.3, 0.5) for few in (2, 3, 5)]
    for keep, few, confirm in plans:
        mean, high, kept, five, cost = ladder(rng, count, steps, by_rung["screen"], confirm, final, keep, few)
        middle, last = (f"best {keep:.0%}", f"{few}") if confirm is not None else ("-", f"best {keep:.0%}")
        print(f"| {count} | {middle} | {last} | {mean:.4f} | {high:.4f} | {kept:.0%} | {five:.0%} | {cost:.0%} |")
    for name, rung in rungs.items():
        if rung.curves:
            stops = early_stops(np.array([rung.curves[letters] for letters in common]))
            said = ", ".join(f"{stopped:.0%} at {share:.0%}" for share, stopped in stops)
            print(f"{name}: trainings that could at most end early without losing any of the best fifth: {said}")


if __name__ == "__main__":
    main()
