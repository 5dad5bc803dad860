"""`python3 -m aira_design prepare | train | predict | host-train | host-predict | mixers | score | version`; see the package's
docstring for who may run what.

`score` and the `host-` verbs print one line of JSON and exit 0, also where the candidate failed. `train` exits 3 after writing
failure.json where it understands what is wrong with the candidate. Status 2 means that settings or data are wrong.
"""

import argparse
import json
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from aira_workers.errors import InvalidCandidate

from . import families, peer
from .channel import Channel, ChannelError, PeerBroke
from .failures import CandidateFailure, is_memory
from .layout import FAILURE, SPLITS, read_json, read_predictions, write_json
from .randomness import fingerprint
from .settings import Settings, parse_settings

CANDIDATE_FAILED = 3


def main() -> int:
    options = _parse()
    if options.verb == "version":
        from .version import design_version

        print(design_version())
        return 0
    try:
        settings = parse_settings(read_json(options.settings))
    except (OSError, ValueError, InvalidCandidate) as error:
        return _refuse(error)
    verbs = {
        "prepare": _prepare, "train": _train, "predict": _predict, "score": _score,
        "host-train": _host_train, "host-predict": _host_predict, "mixers": _mixers,
    }  # fmt: skip
    return verbs[options.verb](settings, options)


def _prepare(settings: Settings, options: argparse.Namespace) -> int:
    try:
        secret = options.secret.read_bytes() if options.secret else None
        options.out.mkdir(parents=True, exist_ok=True)
        found = families.host(settings).prepare(settings, options.seed, secret, options.data, options.out)
    except (OSError, ValueError) as error:
        return _refuse(error)
    manifest = {"family": settings.family, "seed": options.seed, "secret": fingerprint(secret), **found}
    write_json(options.out / "manifest.json", manifest)
    return 0


def _train(settings: Settings, options: argparse.Namespace) -> int:
    options.out.mkdir(parents=True, exist_ok=True)
    channel = peer.host(options.channel)
    try:
        families.steps(settings).train(settings, options.seed, channel, options.candidate, options.out, options.device)
    except CandidateFailure as failure:
        write_json(options.out / FAILURE, {"reason": failure.reason, "message": failure.message})
        print(failure.message, file=sys.stderr)
        return CANDIDATE_FAILED
    return 0


def _predict(settings: Settings, options: argparse.Namespace) -> int:
    channel = peer.host(options.channel)
    try:
        families.steps(settings).predict(settings, channel, options.candidate, options.state, options.device)
    except CandidateFailure as failure:
        # Its text may be about hidden rows; the host keeps the reason alone.
        peer.tell(channel, failure)
        return CANDIDATE_FAILED
    return 0


def _score(settings: Settings, options: argparse.Namespace) -> int:
    try:
        manifest = read_json(options.manifest)
        predictions = read_predictions(options.predictions, manifest["splits"][options.split])
        metrics = families.host(settings).score(
            settings, manifest, options.hidden, options.split, predictions, options.state
        )
        found = {"status": "ok", "score": metrics[families.metric(settings)], "metrics": metrics}
    except CandidateFailure as failure:
        found = {"status": "failed", "reason": failure.reason, "message": failure.message}
    print(json.dumps(found, allow_nan=False))
    return 0


def _host_train(settings: Settings, options: argparse.Namespace) -> int:
    def run(channel: Channel) -> dict | None:
        given = (settings, options.seed, options.train, options.manifest, options.candidate)
        return families.loops(settings).train(*given, channel, options.out, options.device)

    return _host(settings, options, ["train", "--seed", str(options.seed)], run)


def _host_predict(settings: Settings, options: argparse.Namespace) -> int:
    def run(channel: Channel) -> dict | None:
        given = (settings, options.inputs, options.manifest, options.state)
        return families.loops(settings).predict(*given, channel, options.out, options.device)

    return _host(settings, options, ["predict", "--state", str(options.state)], run)


def _host(
    settings: Settings, options: argparse.Namespace, child: list[str], run: Callable[[Channel], dict | None]
) -> int:
    """Meet the program and run the trusted side; print what came of it. An error of another kind is ours, and a traceback.

    `child` is the program's verb, where it is a child of this process.
    A candidate chooses its batch, so this side's memory is bounded like the program's; on a GPU the driver's reservations are
    far beyond any such bound.
    """
    if options.device == "cpu":
        most = settings.budget.memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    if options.socket is not None:
        # A terminal sends these to its whole group, where the lab lets trainings that are under way end. It kills by SIGKILL.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    options.out.mkdir(parents=True, exist_ok=True)
    shared = (
        "--settings",
        options.settings,
        "--candidate",
        options.candidate,
        "--out",
        options.out,
        "--device",
        options.device,
    )
    verb = ["mixers"] if families.is_mixer(settings) else child
    try:
        with peer.program(options.socket, [*verb, *map(str, shared)], settings.budget.seconds) as channel:
            found = {"status": "ok", **(run(channel) or {})}
    except CandidateFailure as failure:
        found = {"status": "failed", "reason": failure.reason, "message": failure.message}
    except (MemoryError, RuntimeError, SystemError) as error:
        if not is_memory(error):
            raise
        found = {
            "status": "failed",
            "reason": "oom",
            "message": "the encoder around the mixers needs more memory than there is",
        }
    except PeerBroke as error:
        found = {"status": "failed", "reason": "tampered", "message": str(error)}
    except ChannelError as error:
        found = {"status": "gone", "message": str(error)}
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**found, "cpuSeconds": used.ru_utime + used.ru_stime}, allow_nan=False))
    return 0


def _mixers(settings: Settings, options: argparse.Namespace) -> int:
    from .candidate import settle
    from .lra.mixers import serve

    serve(options.candidate, peer.host(options.channel), settle(options.device))
    return 0


def _refuse(error: Exception) -> int:
    print(f"aira_design: {error}", file=sys.stderr)
    return 2


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="aira_design", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("version", help="print the version of the evaluator")
    prepare = verbs.add_parser("prepare", help="trusted: write the splits")
    prepare.add_argument("--seed", type=int, required=True)
    prepare.add_argument("--data", type=Path, help="folder of imported data")
    prepare.add_argument("--secret", type=Path, help="file whose bytes go into the draws of the hidden rows")
    train = verbs.add_parser("train", help="sandboxed: the candidate's training")
    train.add_argument("--seed", type=int, required=True)
    predict = verbs.add_parser("predict", help="sandboxed: the candidate's answers")
    predict.add_argument("--state", type=Path, required=True)
    host_train = verbs.add_parser("host-train", help="trusted: train with the candidate's program")
    host_train.add_argument("--seed", type=int, required=True)
    host_train.add_argument("--train", type=Path, required=True)
    host_predict = verbs.add_parser("host-predict", help="trusted: ask the candidate's program")
    host_predict.add_argument("--inputs", type=Path, required=True)
    host_predict.add_argument("--state", type=Path, required=True)
    for verb in (host_train, host_predict):
        verb.add_argument("--manifest", type=Path, required=True)
        verb.add_argument(
            "--socket", type=Path, help="where to listen; without it the program is a child of this process"
        )
    mixers = verbs.add_parser("mixers", help="sandboxed: the program of a candidate that is a mixer")
    for verb in (train, predict, mixers):
        verb.add_argument("--channel", type=int, default=peer.DESCRIPTOR, help="descriptor of the socket (default: 3)")
    for verb in (train, predict, host_train, host_predict, mixers):
        verb.add_argument("--candidate", type=Path, required=True)
        verb.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    score = verbs.add_parser("score", help="trusted: compute the score")
    score.add_argument("--manifest", type=Path, required=True)
    score.add_argument("--hidden", type=Path, required=True)
    score.add_argument("--predictions", type=Path, required=True)
    score.add_argument("--state", type=Path, required=True, help="what the training left; only sizes are looked at")
    score.add_argument("--split", choices=SPLITS, required=True)
    for verb in (prepare, train, predict, host_train, host_predict, mixers, score):
        verb.add_argument("--settings", type=Path, required=True)
    for verb in (prepare, train, predict, host_train, host_predict, mixers):
        verb.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
