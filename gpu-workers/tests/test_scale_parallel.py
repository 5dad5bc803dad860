"""Several processes: two gloo ranks on the CPU train what one process trains."""

import json
import signal
import socket
import subprocess
import sys

import pytest
import torch
from aira_scale.data.build import build, from_generator
from scale_jobs import environment, figures, make_job, run_job


def run_ranks(job, folder, processes=2, **extra):
    """As run_job over several ranks, in the environment that torchrun gives them; the exit statuses and the leader's events."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.parent / f"{folder.name}.json"
    file.write_text(json.dumps(job))
    command = [sys.executable, "-m", "aira_scale", "run", "--job", str(file), "--folder", str(folder)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **extra}
    running = [
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), **shared),
        )
        for rank in range(processes)
    ]  # fmt: skip
    try:
        told = [one.communicate(timeout=120) for one in running]
    finally:
        for one in running:
            one.kill()
    assert all(out == "" for out, _ in told[1:]), "only the leader speaks"
    return [one.returncode for one in running], [json.loads(line) for line in told[0][0].splitlines()]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale") / "data"
    build(*from_generator(1, 150), "bytes", 0.15, folder)
    return folder


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    status, events = run_job(make_job(data), tmp_path_factory.mktemp("alone") / "run")
    assert status == 0, events
    return figures(events)


def ranks(parallel):
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    if parallel == "fsdp":
        try:
            from torch.distributed.fsdp import fully_shard  # noqa: F401
        except (ImportError, ValueError):  # torch 1.13 of Debian: its FSDP does not import on Python 3.11
            pytest.skip("this torch has no fully_shard (2.6 and later)")


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_equal_one(alone, data, tmp_path, parallel):
    ranks(parallel)
    job = make_job(data, machine__parallel=parallel, machine__micro_batch=2)
    status, events = run_ranks(job, tmp_path / "run")
    assert status == [0, 0], events
    assert [event["event"] for event in events].count("hello") == 1 and events[0]["processes"] == 2
    for budget, found in figures(events).items():
        assert found["validationLoss"] == pytest.approx(alone[budget]["validationLoss"], abs=2e-3)
        for (_, one), (_, other) in zip(found["curve"][:6], alone[budget]["curve"][:6]):
            assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_killed_processes_resume_with_the_same_losses(data, tmp_path, parallel):
    ranks(parallel)
    job = make_job(data, machine__parallel=parallel, machine__micro_batch=2, machine__checkpoint_seconds=0)
    status, whole = run_ranks(job, tmp_path / "whole")
    assert status == [0, 0], whole
    assert run_ranks(job, tmp_path / "run", AIRA_SCALE_FAILPOINT="step:7")[0] == [-signal.SIGKILL] * 2
    status, events = run_ranks(job, tmp_path / "run")
    assert status == [0, 0], events
    assert figures(events) == figures(whole)


def test_a_checkpoint_of_two_processes_continues_on_one(data, tmp_path):
    ranks("ddp")
    job = make_job(data, machine__micro_batch=2, machine__checkpoint_seconds=0)
    both = {**job, "machine": {**job["machine"], "parallel": "ddp"}}
    assert run_ranks(both, tmp_path / "run", AIRA_SCALE_FAILPOINT="step:7")[0] == [-signal.SIGKILL] * 2
    status, events = run_job(job, tmp_path / "run")
    assert status == 0 and set(figures(events)) == {"short", "long"}
