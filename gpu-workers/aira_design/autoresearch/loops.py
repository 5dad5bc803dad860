"""The trusted side of a training and of a prediction, each the other end of a program's channel."""

from pathlib import Path

from ..channel import Channel
from ..layout import load, read_json
from ..peer import ProgramChannel
from ..settings import AutoresearchSettings
from .asking import ask
from .batches import TrainingText
from .reference import Gauge, Reference
from .serving import serve

_START_UPS = 2.0
"""Time of starting, times what it took when it was measured: the files are not always in memory."""


def train(
    settings: AutoresearchSettings,
    seed: int,
    data: Path,
    manifest: Path,
    candidate: Path,
    channel: ProgramChannel,
    out: Path,
    device: str,
) -> dict:
    """Serve the program until it has ended. Raises CandidateFailure, ChannelError.

    Returns what it got and, where processor time bounds it, how much of that it has: `start` for each process that the
    evaluator starts, `work` for training and one prediction together.
    """
    text, script = (
        TrainingText(load(data, "tokens"), load(data, "documents"), seed, settings.data.packing),
        settings.script,
    )
    measured = read_json(manifest)
    # To save a model and to end takes less than to start; a busy disk is slower.
    ending = _START_UPS * measured["start_wall"]
    if script.reference_costs == 0:
        return {"served": serve(script, text, channel, lambda: 0.0, ending)._asdict()}
    gauge = Gauge(Reference(settings.data).step)
    start = _START_UPS * measured["start"]
    work = lambda: script.reference_costs * script.tokens * gauge.token_seconds()
    served = serve(script, text, channel, lambda: start + work(), ending)
    return {"served": served._asdict(), "processor": {"start": start, "work": work()}}


def predict(
    settings: AutoresearchSettings, inputs: Path, manifest: Path, state: Path, channel: Channel, out: Path, device: str
) -> dict:
    """Ask the program about the split that `inputs` names; return the score. Raises CandidateFailure, ChannelError."""
    hidden, split = manifest.parent / "hidden", inputs.name
    rows, asked, again = (load(hidden, f"{split}_{name}") for name in ("rows", "asked", "again"))
    metrics = ask(rows, asked, again, load(hidden, "token_bytes"), channel)
    return {"score": metrics["val_bpb"], "metrics": metrics}
