"""`python3 -m aira_tasks submissions | variants | leaks | modules`: the host's questions about a task's folders.

Each prints one line of JSON. Status 2 and one sentence when a folder is not of a known format.

`prepare | train | predict | score`: the steps of an evaluation on a task directory of another harness (chain.py), with the
flags and exit statuses of `aira_design`.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

from . import chain
from .rehearsal import scoring_columns, submissions, variants, visible_answers
from .tables import NoTable


def main() -> int:
    parser = argparse.ArgumentParser(prog="aira_tasks", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = verbs.add_parser("submissions", help="gold, permuted, NaN and truncated submissions")
    made.add_argument("--labelled", type=Path, required=True)
    varied = verbs.add_parser("variants", help="permuted, NaN and truncated submissions of a given one")
    varied.add_argument("--gold", type=Path, required=True)
    leaks = verbs.add_parser("leaks", help="answers that an agent could see")
    leaks.add_argument("--agent", type=Path, required=True)
    leaks.add_argument("--labelled", type=Path, required=True)
    for verb in (made, leaks):
        verb.add_argument("--columns", required=True, help="scoring_column of the metadata, as JSON")
    for verb in (made, varied):
        verb.add_argument("--out", type=Path, required=True)
        verb.add_argument("--header", type=json.loads, help="names of the submission's columns, as JSON")
    modules = verbs.add_parser("modules", help="which modules this Python lacks")
    modules.add_argument("names", nargs="*")
    _steps(verbs)
    options = parser.parse_args()
    if options.verb in _STEPS:
        return _STEPS[options.verb](options)
    if options.verb == "modules":
        print(json.dumps([name for name in options.names if importlib.util.find_spec(name) is None]))
        return 0
    try:
        if options.verb == "submissions":
            found = submissions(
                options.labelled, scoring_columns(json.loads(options.columns)), options.header, options.out
            )
        elif options.verb == "variants":
            found = variants(options.gold, options.header, options.out)
        else:
            found = visible_answers(options.agent, options.labelled, scoring_columns(json.loads(options.columns)))
    except NoTable as error:
        print(f"aira_tasks: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found))
    return 0


def _steps(verbs) -> None:
    prepare, train = verbs.add_parser("prepare"), verbs.add_parser("train")
    predict, score = verbs.add_parser("predict"), verbs.add_parser("score")
    prepare.add_argument("--seed", type=int, required=True)
    for verb in (prepare, score):
        verb.add_argument("--data", type=Path, help="folder of imported data")
        verb.add_argument("--dataset", action="append", default=[], help="data set that the scripts see (default: all)")
    prepare.add_argument("--secret", type=Path, help="file whose bytes decide the order of rows")
    train.add_argument("--seed", type=int, required=True)
    train.add_argument("--train", type=Path, required=True)
    predict.add_argument("--inputs", type=Path, required=True)
    predict.add_argument("--state", type=Path, required=True)
    for verb in (train, predict):
        verb.add_argument("--candidate", type=Path, required=True)
        verb.add_argument("--device")
    for name in ("--manifest", "--hidden", "--predictions", "--state"):
        score.add_argument(name, type=Path, required=True)
    score.add_argument("--split", choices=("validation", "test"), required=True)
    for verb in (prepare, train, predict, score):
        verb.add_argument("--settings", type=Path, required=True)
    for verb in (prepare, train, predict):
        verb.add_argument("--out", type=Path, required=True)


def _prepare(options: argparse.Namespace) -> int:
    settings = json.loads(options.settings.read_text(encoding="utf-8"))
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        secret = options.secret.read_bytes() if options.secret else None
        found = chain.prepare(settings, options.seed, options.data, options.out, secret, options.dataset)
    except (chain.Refused, OSError) as error:
        print(f"aira_tasks: {error}", file=sys.stderr)
        return 2
    manifest = {"family": "airs", "seed": options.seed, **found}
    (options.out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return 0


def _train(options: argparse.Namespace) -> int:
    return _untrusted(options.out, lambda: chain.train(options.candidate, options.out))


def _predict(options: argparse.Namespace) -> int:
    return _untrusted(options.out, lambda: chain.predict(options.inputs, options.candidate, options.out))


def _untrusted(out: Path, step) -> int:
    out.mkdir(parents=True, exist_ok=True)
    try:
        step()
        return 0
    except chain.ProgramFailed as failure:
        return chain.failed(out, failure)


def _score(options: argparse.Namespace) -> int:
    settings = json.loads(options.settings.read_text(encoding="utf-8"))
    try:
        metrics = chain.score(
            settings, options.hidden, options.predictions, options.split, options.data, options.dataset
        )
        found = {"status": "ok", "score": metrics[settings["metric"]], "metrics": metrics}
    except chain.ProgramFailed as failure:
        found = {"status": "failed", "reason": failure.reason, "message": str(failure)}
    except chain.Refused as error:
        print(f"aira_tasks: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, allow_nan=False))
    return 0


_STEPS = {"prepare": _prepare, "train": _train, "predict": _predict, "score": _score}


if __name__ == "__main__":
    sys.exit(main())
