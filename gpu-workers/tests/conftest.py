import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent
sys.path.insert(0, str(PACKAGE))
torch.set_num_threads(1)

TOKENS = {"M": "M", "A": "mA", "B": "Mb"}


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs a CUDA device; skipped where torch shows none")


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="torch shows no CUDA device"))


def tokens(letters):
    """'AMB' -> ('mA', 'M', 'Mb')."""
    return tuple(TOKENS[letter] for letter in letters)


@pytest.fixture(scope="session")
def metadata():
    return yaml.safe_load((REPOSITORY / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())


@pytest.fixture
def nano(metadata):
    """Settings of the nano screen, cut to 12 steps and 16 test sequences."""
    settings = copy.deepcopy(metadata["profiles"]["nano"]["rungs"]["screen"]["settings"])
    return {**settings, "steps": 12, "test_samples": 16}


@pytest.fixture
def tiny_separate(metadata):
    """The small profile shrunk to seconds: width 16, a few sequences of 32 tokens, three epochs."""
    settings = copy.deepcopy(metadata["profiles"]["small"]["rungs"]["screen"]["settings"])
    nano_tasks = copy.deepcopy(metadata["profiles"]["nano"]["rungs"]["screen"]["settings"]["tasks"])
    settings["model"].update(width=16, attention_heads=2, ffn_inner=32, ssm_inner=32, ssm_heads=2, ssm_chunk=16)
    return {**settings, "tasks": nano_tasks, "train_samples": 20, "test_samples": 10, "epochs": 3, "batch": 8}


class Worker:
    """A real worker process and its protocol stream."""

    def __init__(self, *arguments):
        tuning = json.loads((PACKAGE / "worker-env.json").read_text())["cpu"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aira_workers", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **tuning, "PYTHONPATH": str(PACKAGE)},
        )

    def send(self, request):
        text = request if isinstance(request, str) else json.dumps(request)
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        assert line, "the worker closed its stream: " + self.process.stderr.read()
        return json.loads(line)

    def read_until(self, event):
        """All events up to and including the first of the given kind."""
        events = [self.read()]
        while events[-1]["event"] != event:
            events.append(self.read())
        return events

    def close(self):
        """End standard input; return the exit status and what was still written."""
        rest, _ = self.process.communicate(timeout=60)
        return self.process.returncode, rest


@pytest.fixture(scope="module")
def shared_workers():
    """At most one running worker for a module; a test that leaves it in disorder costs the next one a fresh start."""
    running = []
    yield running
    for one in running:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def worker(shared_workers, request):
    if not shared_workers:
        started = Worker("--device", "cpu")
        started.hello = started.read()
        shared_workers.append(started)
    failures = request.session.testsfailed
    yield shared_workers[0]
    if request.session.testsfailed > failures or shared_workers[0].process.poll() is not None:
        broken = shared_workers.pop()
        broken.process.kill()
        broken.process.communicate()
