"""What a ladder of rungs loses against training everybody fully, and where a training may be stopped early.

    python3 gpu-workers/scripts/halving.py --screen S.npz --confirm C.npz --full F.npz
    python3 gpu-workers/scripts/halving.py --screen S.npz --confirm S.npz --confirm-seeds 2 --full F.npz
    python3 gpu-workers/scripts/halving.py --screen tables/compose-mad-3p-6.json@1 --full tables/compose-mad-3p-6.json@2,3

The files are learning curves (learning_curves.py) under the settings of each rung, or a measured table, of which `@` chooses
seeds; what all rungs have in common is compared. A candidate's score on a rung is its mean accuracy over the training, on
one seed of the screen, `--confirm-seeds` of the confirming rung (others than the screen's, where both are one file). In each
of many draws of `--draw` architectures (default: half), half of the seeds of the full training choose, and the other half,
by which none was chosen, says what the chosen one is worth:

* agreement: rank correlation of a rung with the mean of all full trainings;
* regret: what is lost in worth by choosing among those whom the ladder trained fully instead of among all;
* best retained: share of draws in which the choice among all is trained fully by the ladder too, and how many of their best five;
* cost: steps spent, relative to training everybody fully.
"""

import argparse
import json
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from read_curves import read
from scipy.stats import spearmanr
from separation import separation

RUNGS = ("screen", "confirm", "full")
DRAWS, SPLITS = 400, 20  # draws of architectures; of seeds for each of them


class Rung(NamedTuple):
    """steps of one training; scores: letters -> mean accuracy per seed; curves: letters -> accuracy (seeds, bins), where there are any."""

    steps: int
    scores: dict[str, np.ndarray]
    curves: dict[str, np.ndarray]


def load(paths: list[str]) -> Rung:
    curves: dict[str, np.ndarray] = {}
    for path in paths:
        path, _, seeds = path.partition("@")
        if path.endswith(".json"):
            table = json.loads(Path(path).read_text())
            places = [table["seeds"].index(int(seed)) for seed in seeds.split(",")] if seeds else slice(None)
            letter = {"M": "M", "mA": "A", "Mb": "B"}
            scores = {"".join(letter[one] for one in name.split()): s for name, s in table["scores"].items()}
            scores = {letters: np.array(s)[places] for letters, s in scores.items()}
            return Rung(table["settings"]["steps"], scores, {})
        found = read(path)
        steps = found.bin * found.curves.shape[-1]
        curves.update(zip(found.letters, found.curves[:, :, 0].mean(2)))
    return Rung(steps, {letters: each.mean(1) for letters, each in curves.items()}, curves)


class Plan(NamedTuple):
    """Share of the screened that is promoted; how many of them are trained fully; seeds of the rung between, 0 without one."""

    keep: float
    finalists: int | None
    confirm_seeds: int


def ladder(rng, count: int, steps: dict, scores: dict[str, np.ndarray], same: bool, plan: Plan) -> tuple:
    """scores: rung -> (architectures, seeds). One rule: mean regret, between which 95 % of the draws of architectures
    lie, share that retains the best, best five retained, cost."""
    screen, full = scores["screen"], scores["full"]
    regrets, retained, five, costs = [], [], [], []
    for _ in range(DRAWS):
        draw, lost = rng.permutation(len(full))[:count], []
        for _ in range(SPLITS):
            seeds = rng.permutation(screen.shape[1])
            first = screen[draw, seeds[0]]
            chosen = draw[np.argsort(-first)[: max(plan.finalists or 1, round(plan.keep * len(draw)))]]
            spent, fully = len(draw) * steps["screen"], full.shape[1] // 2 * steps["full"]
            if plan.confirm_seeds:
                confirm = scores["confirm"]
                others = seeds[1:] if same else rng.permutation(confirm.shape[1])
                second = confirm[chosen][:, others[: plan.confirm_seeds]].mean(1)
                spent += len(chosen) * plan.confirm_seeds * steps["confirm"]
                chosen = chosen[np.argsort(-second)[: plan.finalists]]
            halves = rng.permutation(full.shape[1])
            choosing = full[:, halves[: full.shape[1] // 2]].mean(1)
            worth = full[:, halves[full.shape[1] // 2 :]].mean(1)
            best = draw[np.argsort(-choosing[draw])]
            winner = chosen[np.argmax(choosing[chosen])]
            lost.append(worth[best[0]] - worth[winner])
            retained.append(best[0] in chosen)
            five.append(np.isin(best[:5], chosen).mean())
            costs.append((spent + len(chosen) * fully) / (len(draw) * fully))
        regrets.append(np.mean(lost))
    return np.mean(regrets), np.quantile(regrets, (0.025, 0.975)), np.mean(retained), np.mean(five), np.mean(costs)


def early_stops(accuracy: np.ndarray) -> list:
    """accuracy (architectures, seeds, bins) -> (share of the training, share of trainings that could end there) without losing any of the best fifth.

    At each share of the training the bar is the worst running accuracy of a later winner (best fifth by whole training),
    lowered by half a standard deviation of the winners; those below would be stopped.
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
    for rung in RUNGS:
        parser.add_argument(f"--{rung}", action="append", required=rung != "confirm")
    parser.add_argument("--confirm-seeds", type=int, default=1)
    parser.add_argument("--draw", type=int)
    options = parser.parse_args()
    paths = {rung: getattr(options, rung) for rung in RUNGS if getattr(options, rung)}
    rungs = {rung: load(of) for rung, of in paths.items()}
    common = sorted(set.intersection(*(set(rung.scores) for rung in rungs.values())))
    if len(common) < 6:
        raise SystemExit(f"the rungs have only {len(common)} architectures in common")
    steps = {name: rung.steps for name, rung in rungs.items()}
    scores = {name: np.array([rung.scores[letters] for letters in common]) for name, rung in rungs.items()}
    if scores["full"].shape[1] < 2:
        raise SystemExit("the full training needs two seeds: one to choose by, one to say what the chosen one is worth")
    same = paths.get("confirm") == paths["screen"]
    if same and scores["screen"].shape[1] <= options.confirm_seeds:
        raise SystemExit("the screen has too few seeds to confirm by others")
    final = scores["full"].mean(1)
    rng = np.random.default_rng(0)
    print(f"{len(common)} architectures")
    for rung, found in scores.items():
        agreement = [
            np.mean(
                [spearmanr(found[:, seeds].mean(1), final)[0] for seeds in combinations(range(found.shape[1]), many)]
            )
            for many in range(1, found.shape[1] + 1)
        ]
        print(f"{rung}: {steps[rung]} steps, {found.shape[1]} seeds; ", end="")
        if found.shape[1] > 1:
            record, best = separation(found), separation(found[np.argsort(-final)[: len(final) // 3]])
            print(f"ratio {record.ratio:.1f}, within the best third {best.ratio:.1f}; ", end="")
        said = ", ".join(f"{one:.2f}" for one in agreement)
        print(f"rank correlation with the full training by seeds averaged (1 to {len(agreement)}): {said}")
    print(
        "| screened | retained | trained fully | regret, mean | 95 % of draws | best retained | of the best five | cost |"
    )
    print("|" + " --- |" * 8)
    count = options.draw or len(common) // 2
    plans = [Plan(keep, None, 0) for keep in (0.05, 0.1, 0.2, 0.3, 0.5)]
    if "confirm" in scores:
        plans = [Plan(keep, few, options.confirm_seeds) for keep in (0.1, 0.2, 0.3, 0.5) for few in (2, 3, 5)]
    for plan in plans:
        mean, between, retained, five, cost = ladder(rng, count, steps, scores, same, plan)
        few = plan.finalists or "all retained"
        spread = f"{between[0]:.4f} ... {between[1]:.4f}"
        print(
            f"| {count} | best {plan.keep:.0%} | {few} | {mean:.4f} | {spread} | {retained:.0%} | {five:.0%} | {cost:.0%} |"
        )
    for name, rung in rungs.items():
        if rung.curves:
            stops = early_stops(np.array([rung.curves[letters] for letters in common]))
            said = ", ".join(f"{stopped:.0%} at {share:.0%}" for share, stopped in stops)
            print(f"{name}: trainings that could at most end early without losing any of the best fifth: {said}")


if __name__ == "__main__":
    main()
