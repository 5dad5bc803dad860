"""The tables of one search, and the figures that all trackers show alike."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

Row = dict[str, Any]

RUNGS = ("screen", "confirm", "final")


class Taken(Exception):
    """The folder has this search already."""


@dataclass(frozen=True)
class Tables:
    search: Row
    nodes: list[Row]
    """In recorded order."""
    evaluations: dict[str, list[Row]]
    """By node."""
    calls: list[Row]

    @property
    def name(self) -> str:
        return self.search["search"]

    @property
    def metric(self) -> str:
        return plain_name(self.search["metric"])


def read_tables(folder: Path) -> Tables:
    """Read `searches`, `nodes`, `evaluations` and `calls` (`<table>.jsonl`)."""
    rows = {
        table: [json.loads(line) for line in (folder / f"{table}.jsonl").read_text("utf-8").split("\n") if line]
        for table in ("searches", "nodes", "evaluations", "calls")
    }
    evaluations: dict[str, list[Row]] = {}
    for row in rows["evaluations"]:
        evaluations.setdefault(row["node"], []).append(row)
    return Tables(rows["searches"][0], rows["nodes"], evaluations, rows["calls"])


def plain_name(text: str) -> str:
    """A name that every tracker accepts: letters, digits, `_`, `-`, `.`; at most 100 characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:100] or "_"


def milliseconds(time: str | None) -> int | None:
    """Milliseconds since 1970 of an ISO 8601 time."""
    if time is None:
        return None
    return round(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000)


def finite(value: Any) -> float | None:
    """The number, or None for anything that no tracker can plot."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def figures(tables: Tables, node: str) -> dict[str, float]:
    """Figures of one node: the mean score over the seeds of each rung, in the metric; cost and size of its screening."""
    evaluations = tables.evaluations.get(node, [])
    found: dict[str, float | None] = {}
    for rung in RUNGS:
        for kind, column in ((tables.metric, "score"), (f"test_{tables.metric}", "test_score")):
            scores = [finite(row[column]) for row in evaluations if row["rung"] == rung]
            known = [score for score in scores if score is not None]
            if known:
                found[f"{rung}/{kind}"] = sum(known) / len(known)
    screen = next((row for row in evaluations if row["rung"] == "screen"), None)
    if screen is not None:
        for column in ("seconds", "parameters", "flops", "peak_memory_bytes"):
            found[column] = finite(screen[column])
        for task, scores in (screen["task_scores"] or {}).items():
            found[f"screen/tasks/{plain_name(task)}"] = finite(scores.get("validation"))
    return {name: value for name, value in found.items() if value is not None}


def curve(tables: Tables, node: str) -> list[tuple[int, float]]:
    """Pairs of step and validation score of its screening."""
    screen = next((row for row in tables.evaluations.get(node, []) if row["rung"] == "screen"), None)
    pairs = [(int(step), finite(score)) for step, score in (screen or {}).get("curve") or []]
    return [(step, score) for step, score in pairs if score is not None]


def scored(tables: Tables) -> Iterator[tuple[Row, float, float, int]]:
    """Screened nodes in recorded order: node, score, best score so far, and when it was measured in milliseconds since 1970."""
    lower = tables.search["lower_is_better"]
    best: float | None = None
    for node in tables.nodes:
        score = finite(node["score"])
        if score is None:
            continue
        best = score if best is None else (min if lower else max)(best, score)
        screen = next(row for row in tables.evaluations[node["node"]] if row["rung"] == "screen")
        yield node, score, best, milliseconds(screen["finished_at"]) or milliseconds(node["created_at"]) or 0


def short(text: Any, most: int) -> str:
    """The text, cut to what a tracker stores in one field."""
    whole = "" if text is None else str(text)
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"
