"""What the tests of the Long Range Arena share: small settings, prepared data, and the chain from a model.py to its metrics."""

import copy
import json
import shutil
import socket
import subprocess
import sys
import threading

import pytest
import torch
import yaml
from aira_design.channel import Channel
from aira_design.layout import read_predictions
from aira_design.lra import host, loops, mixers
from aira_design.settings import parse_settings
from conftest import PACKAGE, REPOSITORY

MIXERS = REPOSITORY / "tasks" / "mixers"


def settings(task="listops", **changes):
    """The nano screen of a task, made small enough for a second."""
    metadata = yaml.safe_load((REPOSITORY / "tasks" / f"design-lra-{task}-fixed" / "metadata.yaml").read_text())
    value = copy.deepcopy(metadata["profiles"]["nano"]["rungs"]["screen"]["settings"])
    value["data"].update(train=256, validation=64, test=64, length=48)
    value["model"].update(width=16, heads=2, mlp=32)
    value["training"].update(steps=6, batch=16)
    value.update(probes=16, **changes)
    return value


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    manifest = host.prepare(parse_settings(settings()), 1, b"s" * 16, None, out)
    (out / "manifest.json").write_text(json.dumps(manifest))
    return out, manifest


def with_program(work, serve):
    """Connect `work` to `serve`, which runs in parallel, by a channel; return the result of `work`."""
    ours, theirs = socket.socketpair()
    other = threading.Thread(target=lambda: serve(Channel(theirs, None)) or theirs.close())
    other.start()
    try:
        return work(Channel(ours, 60.0))
    finally:
        ours.close()
        other.join()


def run(tmp_path, prepared, source, parsed=None, extra=None):
    """Train, ask and score a model.py whose program is a thread of this process; return the metrics or raise CandidateFailure."""
    parsed = parsed or parse_settings(settings())
    out, manifest = prepared
    candidate, state, answers = tmp_path / "candidate", tmp_path / "state", tmp_path / "answers"
    for folder in (candidate, state, answers):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (candidate / "model.py").write_text(source)
    for name, text in (extra or {}).items():
        (candidate / name).write_text(text)
    manifest_file = out / "manifest.json"

    def serve(channel):
        mixers.serve(candidate, channel, torch.device("cpu"))

    with_program(
        lambda channel: loops.train(parsed, 1, out / "train", manifest_file, candidate, channel, state, "cpu"), serve
    )
    with_program(
        lambda channel: loops.predict(parsed, out / "validation", manifest_file, state, channel, answers, "cpu"), serve
    )
    predictions = read_predictions(answers / "predictions.f32", manifest["splits"]["validation"])
    return host.score(parsed, manifest, out / "hidden", "validation", predictions, state)


FULL = (MIXERS / "full.py").read_text()
HEAD = "import torch\nfrom torch import nn\n"


def mixer(body, init=""):
    return HEAD + (
        f"class Mixer(nn.Module):\n    def __init__(self, width, length):\n        super().__init__()\n"
        f"        self.p = nn.Linear(width, width)\n{init}\n    def forward(self, x, mask):\n{body}\n"
        "def build(width, length, heads, seed):\n    return Mixer(width, length)\n"
    )


def write(file, value):
    file.write_text(json.dumps(value))
    return file


def verb(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "aira_design", *map(str, arguments)],
        capture_output=True, text=True, env={"PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
