"""The commands that end by themselves: describe, price, data, sweep."""

import json
import math
import subprocess
import sys

import pytest
import torch
from aira_scale.commands.price import price
from aira_scale.counts import stored_values
from aira_scale.data.build import build, from_generator
from aira_scale.initial import initialise
from aira_scale.job import parse_job
from aira_scale.model import ModelSpec, ScaleModel
from aira_scale.shapes import SIZES
from aira_scale.sweep import Verdict, judge
from aira_scale.version import trainer_version
from aira_workers.errors import InvalidCandidate
from scale_jobs import environment, make_job


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale") / "data"
    build(*from_generator(1, 150), "bytes", 0.15, folder)
    return folder


def command(*arguments, told=""):
    return subprocess.run(
        [sys.executable, "-m", "aira_scale", *map(str, arguments)],
        input=told,
        capture_output=True,
        text=True,
        env=environment(),
    )


def test_describe_gives_shapes_that_a_job_can_carry(data):
    described = json.loads(command("describe").stdout)
    assert described["trainer"] == trainer_version()
    assert [size["name"] for size in described["sizes"]] == list(SIZES)
    for size in described["sizes"]:
        parse_job(json.dumps(make_job(data, model__shape=size["shape"])))


@pytest.mark.parametrize(
    "size,blocks,d,ffn,head,kv",
    [("350M", 14, 1536, 4096, 64, 8), ("1B", 16, 2048, 8192, 64, 8), ("3B", 28, 3072, 8192, 96, 8)],
)
def test_price_counts_big_models_without_their_memory(data, size, blocks, d, ffn, head, kv):
    total = blocks * (2 * d * d + 2 * d * head * kv + 3 * d * ffn + 2 * d) + d + 50257 * d
    entry = SIZES[size]
    shape = {**entry.shape.__dict__}
    job = make_job(data, entry.llama(), model__shape=shape, model__vocabulary=50257)
    told = json.loads(command("price", told=json.dumps(job)).stdout)
    assert told["parameters"] == total and told["parameters"] - told["embedding"] == told["nonEmbedding"]
    assert [budget["tokens"] for budget in told["budgets"]] == [8 * 256, 16 * 256] and told["steps"] == 18
    per_token = told["flopsPerToken"]["layers"] + told["flopsPerToken"]["head"]
    assert told["flops"] == 18 * 256 * per_token
    assert told["checkpointBytes"] < told["stateBytes"] < 16 * total


def test_price_takes_many_jobs(data):
    jobs = [make_job(data), make_job(data, ("mA", "M"), machine__micro_batch=8)]
    told = [json.loads(line) for line in command("price", told="\n".join(map(json.dumps, jobs))).stdout.splitlines()]
    assert [one["parameters"] for one in told] == [price(json.dumps(job))["parameters"] for job in jobs]
    assert told[1]["cacheBytesPerToken"] == 4 * 8 * 2


@pytest.mark.parametrize("family", ["llama", "nemotron"])
@pytest.mark.parametrize("token", ["M", "mA", "Mb"])
def test_stored_values_are_near_what_autograd_stores(family, token):
    torch.manual_seed(1)
    shape = SIZES["2M"].shape
    counted = []
    for depth in (1, 3):
        model, seen = ScaleModel(ModelSpec(family, [token] * depth, shape, 64)), {}
        initialise(model, 1)
        weights = {parameter.data_ptr() for parameter in model.parameters()}  # also stored as their transposed views

        def pack(tensor, seen=seen, weights=weights):
            if tensor.data_ptr() not in weights and tensor.dim() > 1:
                seen[tensor.data_ptr()] = (tensor, tensor.numel())  # the tensor, so that its place is not used again
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model.loss(torch.randint(64, (1, 129)))
        counted.append(sum(size for _, size in seen.values()))
    found = (counted[1] - counted[0]) / 2 / 128
    # Attention of torch 1.13 stores its weights, which a fused one does not.
    found -= shape.heads * 128 if token == "mA" and torch.__version__ < "2" else 0
    assert stored_values([token], family, shape) == pytest.approx(found, rel=1 / 3), found


def test_price_refuses_in_one_sentence(data):
    done = command("price", told=json.dumps(make_job(data, seed=-1)))
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("aira_scale: job: seed must be")


def test_data_tells_what_a_job_needs(tmp_path):
    done = command("data", "--generate", 60, "--validation", 0.2, "--out", tmp_path / "data")
    told = json.loads(done.stdout)
    index = json.loads((tmp_path / "data" / "index.json").read_text())
    assert told["digest"] == index["digest"] and told["vocabulary"] == 257
    assert told["documents"]["train"] + told["documents"]["validation"] == 60
    again = command("data", "--generate", 60, "--out", tmp_path / "data")
    assert again.returncode == 1 and "is there already" in again.stderr


@pytest.mark.parametrize(
    "losses,verdict",
    [
        ([2.1, 2.0, 2.2], Verdict("inside", 1.0)),
        ([2.0, 2.1, 2.2], Verdict("edge", 0.5)),
        ([2.2, 2.1, 2.0], Verdict("edge", 2.0)),
        ([2.001, 2.003, 2.0], Verdict("flat", 1.0)),
        ([2.1, 2.0, math.inf], Verdict("inside", 1.0)),
    ],
)
def test_a_sweep_adopts_no_rate_at_its_edge(losses, verdict):
    assert judge(losses, 0.005) == verdict


def test_a_sweep_needs_one_rate_that_trains():
    with pytest.raises(InvalidCandidate, match="every rate of the sweep diverged"):
        judge([math.inf] * 3, 0.005)


def test_a_sweep_trains_three_rates(data, tmp_path):
    job = make_job(data, budgets=((8, "only"),), optimiser__lr=0.002)
    (tmp_path / "job.json").write_text(json.dumps(job))
    done = command("sweep", "--job", tmp_path / "job.json", "--folder", tmp_path / "sweep")
    *rates, verdict = (json.loads(line) for line in done.stdout.splitlines())
    assert [each["rate"] for each in rates] == [0.001, 0.002, 0.004]
    # Eight steps from a rate far too low: the higher the better, so the verdict must be the upper edge.
    losses = [each["loss"] for each in rates]
    assert losses == sorted(losses, reverse=True) and len(set(losses)) == 3
    assert verdict == {"event": "verdict", "verdict": "edge", "factor": 2.0}
    again = command("sweep", "--job", tmp_path / "job.json", "--folder", tmp_path / "sweep")
    assert again.stdout == done.stdout
