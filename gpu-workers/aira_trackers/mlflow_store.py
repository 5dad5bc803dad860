"""An MLflow store in a folder: `mlflow.db` and `artifacts`. The search is an experiment: one run for it, a nested run per node.

Show it with: mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db
"""

import json
import os
from pathlib import Path

# Set before the library is imported: it would report its use over the network.
os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from .rows import Tables, Taken, curve, figures, milliseconds, scored, short

LONGEST_PARAM, LONGEST_TAG = 6000, 5000
MOST_METRICS = 1000
"""Per request; a limit of the library."""

STATUSES = {"evaluated": "FINISHED", "pending": "SCHEDULED"}


def _log(client: MlflowClient, run: str, metrics: list[Metric], params: dict[str, str], tags: dict[str, str]) -> None:
    client.log_batch(
        run,
        params=[Param(name, short(value, LONGEST_PARAM)) for name, value in params.items()],
        tags=[RunTag(name, short(value, LONGEST_TAG)) for name, value in tags.items()],
    )
    for at in range(0, len(metrics), MOST_METRICS):
        client.log_batch(run, metrics=metrics[at : at + MOST_METRICS])


def write(tables: Tables, out: Path) -> dict:
    """Write the search. Raises Taken if the store has an experiment of its name."""
    client = MlflowClient(tracking_uri=f"sqlite:///{out / 'mlflow.db'}")
    if client.get_experiment_by_name(tables.name) is not None:
        raise Taken(f"the experiment {tables.name}")
    artifacts = (out / "artifacts" / tables.name).as_uri()
    experiment = client.create_experiment(tables.name, artifact_location=artifacts)
    search = tables.search
    start = milliseconds(search["created_at"]) or 0
    whole = client.create_run(experiment, start_time=start, run_name=tables.name).info.run_id
    best = [
        Metric(f"best/{tables.metric}", value, at, step) for step, (_, _, value, at) in enumerate(scored(tables), 1)
    ]
    params = {
        name: str(search[name])
        for name in ("task", "profile", "metric", "lower_is_better", "seed", "evaluator", "device_class")
    }
    _log(client, whole, best, params, {"aira.kind": "search", "aira.phase": search["phase"]})
    client.log_text(whole, json.dumps(search["spec"], indent=2), "spec.json")
    for node in tables.nodes:
        begun = milliseconds(node["created_at"]) or start
        tags = {"mlflow.parentRunId": whole, "aira.kind": "node", "aira.status": node["status"]}
        run = client.create_run(experiment, start_time=begun, run_name=node["node"], tags=tags).info.run_id
        evaluations = tables.evaluations.get(node["node"], [])
        ended = max([milliseconds(row["finished_at"]) or begun for row in evaluations], default=begun)
        metrics = [Metric(name, value, ended, 0) for name, value in figures(tables, node["node"]).items()]
        metrics += [Metric("screen/curve", value, ended, step) for step, value in curve(tables, node["node"])]
        params = {
            name: str(node[name])
            for name in ("agent", "attempt", "operator", "candidate", "cached")
            if node[name] is not None
        }
        texts = {
            f"aira.{name}": node[name]
            for name in ("choice", "change", "hypothesis", "lesson", "reason", "message")
            if node[name]
        }
        _log(client, run, metrics, {**params, "parents": " ".join(node["parents"])}, texts)
        client.log_text(run, node["candidate"], "candidate.txt")
        client.log_text(run, json.dumps(evaluations, indent=2), "evaluations.json")
        client.set_terminated(run, STATUSES.get(node["status"], "FAILED"), ended)
    client.set_terminated(
        whole, "FINISHED" if search["phase"] == "finished" else "RUNNING", start + round(search["elapsed_s"] * 1000)
    )
    return {"version": mlflow.__version__, "runs": len(tables.nodes) + 1}
