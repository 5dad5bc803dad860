"""An offline directory of Weights & Biases: one run, the search, with a history over its scored nodes and tables of all rows.

Upload it with: wandb sync DIR/wandb/offline-run-*
"""

import json
import os
import tempfile
from pathlib import Path

import wandb

from .rows import Row, Tables, Taken, curve, figures, plain_name, scored

NODE_COLUMNS = (
    "node",
    "agent",
    "attempt",
    "operator",
    "parents",
    "candidate",
    "status",
    "reason",
    "message",
    "score",
    "cached",
)
NODE_TEXTS = ("choice", "change", "hypothesis", "expected", "lesson", "created_at")
EVALUATION_COLUMNS = (
    "node",
    "rung",
    "seed",
    "status",
    "reason",
    "score",
    "test_score",
    "cached",
    "seconds",
    "parameters",
    "flops",
)


def _table(rows: list[Row], columns: tuple[str, ...]) -> wandb.Table:
    def cell(value: object) -> object:
        return json.dumps(value) if isinstance(value, (list, dict)) else value

    return wandb.Table(
        columns=list(columns), data=[[cell(row[name]) for name in columns] for row in rows], allow_mixed_types=True
    )


def write(tables: Tables, out: Path) -> dict:
    """Write the run. Raises Taken if the folder has a run of this search."""
    run_id = plain_name(tables.name)
    if any((out / "wandb").glob(f"offline-run-*-{run_id}")):
        raise Taken(f"the run {run_id}")
    search = tables.search
    # The library keeps logs, staged files and settings in the user's home otherwise.
    with tempfile.TemporaryDirectory(prefix="aira-wandb-") as scratch:
        for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
            os.environ[name] = scratch
        os.environ["WANDB_ERROR_REPORTING"] = "false"
        settings = wandb.Settings(
            mode="offline",
            console="off",
            silent=True,
            save_code=False,
            disable_git=True,
            x_disable_stats=True,
            x_disable_meta=True,
        )
        run = wandb.init(
            project=plain_name(search["task"]),
            group=plain_name(search["task"]),
            id=run_id,
            name=tables.name,
            dir=str(out),
            config={
                **{name: search[name] for name in ("task", "profile", "metric", "seed", "evaluator")},
                "spec": search["spec"],
            },
            settings=settings,
        )
        metric = tables.metric
        for step, (node, score, best, at) in enumerate(scored(tables), 1):
            row = {
                metric: score,
                f"best/{metric}": best,
                f"agents/{plain_name(node['agent'])}/{metric}": score,
                "measured_at": at / 1000,
            }
            row.update({name: value for name, value in figures(tables, node["node"]).items() if "/" not in name})
            run.log(row, step=step)
            run.summary[f"best/{metric}"] = best
        run.log(
            {
                "nodes": _table(tables.nodes, NODE_COLUMNS + NODE_TEXTS),
                "evaluations": _table(
                    [row for rows in tables.evaluations.values() for row in rows], EVALUATION_COLUMNS
                ),
                "curves": wandb.Table(
                    columns=["node", "step", "score"],
                    data=[[node["node"], *pair] for node in tables.nodes for pair in curve(tables, node["node"])],
                ),
            }
        )
        run.summary["phase"] = search["phase"]
        run.summary["dollars"] = sum(row["dollars"] or 0 for row in tables.calls)
        run.finish()
    return {"version": wandb.__version__, "runs": 1}
