"""Serves Optuna's dashboard over a study of a given number of finished trials: `pages_peer.py FILE TRIALS PORT`.

Two trials by Optuna itself, as many copies of their rows as asked for: its own functions write a thousand trials in a few seconds, a
hundred thousand in many minutes. 16 categorical parameters, as the nodes of a search have layers.
"""

import json
import random
import sqlite3
import sys
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial
from optuna_dashboard import run_server

KINDS = ("M", "mA", "Mb")
LAYERS = 16


def study(file: Path, trials: int) -> str:
    url = f"sqlite:///{file}"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {f"layer{index}": CategoricalDistribution(KINDS) for index in range(LAYERS)}
    made = optuna.create_study(storage=url, study_name="bench", direction="maximize")
    draw = random.Random(1)
    for _ in range(2):
        made.add_trial(
            create_trial(params={name: draw.choice(KINDS) for name in space}, distributions=space, value=draw.random())
        )
    database = sqlite3.connect(file)

    def columns(table: str) -> list[str]:
        return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]

    def template(table: str) -> list[dict[str, object]]:
        names = columns(table)
        rows = database.execute(f"SELECT * FROM {table} WHERE trial_id = 2")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def insert(table: str, rows: list[dict[str, object]]) -> None:
        names = [name for name in columns(table) if name in rows[0]]
        marks = ", ".join(f":{name}" for name in names)
        database.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)

    [trial] = template("trials")
    parameters = template("trial_params")
    [value] = template("trial_values")
    for parameter in parameters:
        del parameter["param_id"]
    del value["trial_value_id"]
    for begin in range(3, trials + 1, 10_000):
        ids = range(begin, min(trials + 1, begin + 10_000))
        insert("trials", [{**trial, "trial_id": each, "number": each - 1} for each in ids])
        insert(
            "trial_params",
            [
                {**parameter, "trial_id": each, "param_value": float(draw.randrange(len(KINDS)))}
                for each in ids
                for parameter in parameters
            ],
        )
        insert("trial_values", [{**value, "trial_id": each, "value": draw.random()} for each in ids])
    database.commit()
    database.close()
    if len(optuna.load_study(storage=url, study_name="bench").get_trials(deepcopy=False)) != trials:
        raise SystemExit("Optuna does not read the study that was made")
    return url


if __name__ == "__main__":
    file, trials, port = sys.argv[1:]
    url = study(Path(file), int(trials))
    print(json.dumps({"ready": int(trials)}), flush=True)
    run_server(url, host="127.0.0.1", port=int(port))
