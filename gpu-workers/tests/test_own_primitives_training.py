"""Own primitives in trainings: small models, the worker's protocol, and models of the scale families."""

import copy
import json
import os

import pytest
import torch
from aira_primitives import own as installed
from aira_primitives.bind import register
from aira_primitives.describe import digests
from aira_scale.counts import cache_bytes, executed_forward, layer_parameters, parameters, training_flops
from aira_scale.export.formats import choose, convert
from aira_scale.initial import initialise
from aira_scale.job import identity
from aira_scale.model import ModelSpec, ScaleModel
from aira_scale.shapes import SIZES
from aira_workers.errors import InvalidCandidate
from aira_workers.native import Unavailable
from aira_workers.population import PopulationEngine, measure_together
from aira_workers.primitives import PRIMITIVES
from aira_workers.proxies import Candidate, Hooks, measure, parse_settings
from aira_workers.worker.enginecache import open_verified_engine
from conftest import REPOSITORY, Worker

SHIPPED = REPOSITORY / "primitives"
CPU = torch.device("cpu")
MIXED = ("gla", "M", "mA", "swa", "M", "Mb")


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    """The shipped primitives, and a registry as it was before."""
    monkeypatch.setenv("AIRA_PRIMITIVES", str(SHIPPED))
    before = dict(PRIMITIVES)
    for cached in (installed.available, installed.own):
        cached.cache_clear()
    yield
    PRIMITIVES.clear()
    PRIMITIVES.update(before)
    for cached in (installed.available, installed.own):
        cached.cache_clear()


def spec(architecture, seed=1, measure="validation"):
    return Candidate(tuple(architecture), seed, measure)


def evaluate(nano, *architectures, primitives=("M", "mA", "Mb", "gla")):
    return {
        "op": "evaluate", "id": "r1", "proxy": nano,
        "space": {"layers": len(architectures[0]), "primitives": list(primitives)},
        "population": [
            {"key": f"k{index}", "architecture": list(each), "seed": 1, "measure": "validation"}
            for index, each in enumerate(architectures)
        ],
    }  # fmt: skip


def answers(worker, request):
    worker.send(request)
    found = {}
    while True:
        event = worker.read()
        if event["event"] == "done":
            return found
        if event["event"] in ("result", "failed"):
            found[event["key"]] = event


def test_a_training_with_own_layers_counts_them_and_repeats(nano):
    settings = parse_settings(nano)
    register(MIXED)
    one, two = (measure(spec(MIXED), settings, CPU) for _ in range(2))
    assert one.validation == two.validation and one.curve == two.curve
    without = measure(spec(("M", "M", "mA", "M", "M", "Mb")), settings, CPU)
    swiglu = 3 * 32 * nano["model"]["ffn_inner"]
    gla = 32 * (2 * 16 + 2 * 32 + 16) + 16 * 16 + 16 + 32 * 32
    swa = 4 * 32 * 32
    assert one.params - without.params == gla + swa - 2 * swiglu
    assert one.flops != without.flops


def test_own_layers_start_alike_wherever_they_stand(nano):
    from aira_workers.model import StackModel

    register(MIXED)
    sizes = parse_settings(nano).model
    one, other = (StackModel(pattern, sizes, 50, 1) for pattern in (("gla", "M"), ("gla", "gla")))
    assert torch.equal(one.layers[0].inner.layer.input, other.layers[0].inner.layer.input)
    assert not torch.equal(other.layers[0].inner.layer.input, other.layers[1].inner.layer.input)


def test_the_worker_names_primitives_and_trains_the_others_as_before(nano):
    try:
        open_verified_engine()
        engine = "native"
    except Unavailable:
        engine = "torch"
    plain = ("mA", "M", "Mb", "M")
    own = ("gla", "M", "mA", "M")
    with_own, alone = Worker("--engine", engine), Worker("--engine", engine)
    try:
        hello, other = with_own.read(), alone.read()
        assert hello["primitives"] == digests() and set(hello["primitives"]) >= {"gla", "swa"}
        assert hello["evaluator"] == other["evaluator"]
        mixed = answers(with_own, evaluate(nano, plain, own, plain))
        pure = answers(alone, evaluate(nano, plain, primitives=("M", "mA", "Mb")))
        # The engine, the population and the order of the others are not touched by a new primitive.
        assert mixed["k0"]["validation"] == mixed["k2"]["validation"] == pure["k0"]["validation"]
        assert mixed["k0"]["flops"] == pure["k0"]["flops"] and mixed["k0"]["curve"] == pure["k0"]["curve"]
        assert 0 < mixed["k1"]["validation"] < 1
        register(own)
        assert mixed["k1"]["validation"] == pytest.approx(
            measure(spec(own), parse_settings(nano), CPU).validation, abs=1e-6
        )
        unknown = answers(alone, evaluate(nano, plain, primitives=("M", "mA", "Mb", "nope")))
        assert unknown["k0"]["reason"] == "invalid" and "there is no primitive nope" in unknown["k0"]["message"]
    finally:
        with_own.process.kill(), alone.process.kill()


def test_a_fault_in_a_training_is_one_sentence_and_spares_the_others(nano, tmp_path, monkeypatch):
    text = (SHIPPED / "gla.py").read_text()
    assert "padding = -length % CHUNK" in text
    (tmp_path / "bad.py").write_text(text.replace("padding = -length % CHUNK", "padding = lenght % CHUNK"))
    (tmp_path / "worse.py").write_text("import nothing_of_this_name\n")
    monkeypatch.setenv("AIRA_PRIMITIVES", str(tmp_path))
    worker = Worker("--engine", "torch")
    try:
        worker.read()
        found = answers(
            worker, evaluate(nano, ("bad", "M"), ("worse", "M"), ("mA", "M"), primitives=("M", "mA", "bad", "worse"))
        )
        assert found["k0"]["reason"] == "crash"
        assert found["k0"]["message"] == f"{tmp_path / 'bad.py'}, line 44: NameError: name 'lenght' is not defined"
        assert found["k1"]["reason"] == "invalid" and "line 1: ModuleNotFoundError" in found["k1"]["message"]
        assert found["k2"]["event"] == "result"
        worker.send({"op": "shutdown"})
        assert "Traceback" not in worker.process.communicate()[1]
    finally:
        worker.process.kill()


def test_populations_train_built_in_members_together_and_own_ones_apart(nano):
    settings = parse_settings(nano)
    register(MIXED)
    members = [spec(("mA", "M", "Mb")), spec(("gla", "M", "mA")), spec(("Mb", "M", "mA"))]
    seen = {}
    waves = []

    def settle():
        waves.append(len(seen))

    engine = PopulationEngine(CPU, 8)
    hooks = [Hooks() for _ in members]
    measure_together(engine, members, settings, hooks, seen.__setitem__, settle, lambda error: False)
    assert set(seen) == {0, 1, 2} and waves == [1, 3]
    pair = {}
    measure_together(engine, [members[0], members[2]], settings, hooks[:2], pair.__setitem__, lambda: None, lambda error: False)  # fmt: skip
    assert (seen[0].validation, seen[2].validation) == (pair[0].validation, pair[1].validation)
    assert seen[1].validation == measure(members[1], settings, CPU).validation


@pytest.mark.parametrize("name", ["1M", "100M"])
def test_scale_models_hold_own_layers(name):
    size = SIZES[name]
    pattern = ["swa", "M", "gla", "M", "mA", "Mb"]
    model = ScaleModel(ModelSpec("llama", pattern, size.shape, 512), "meta")
    counted = parameters(pattern, "llama", size.shape, 512)
    assert sum(parameter.numel() for parameter in model.parameters()) == counted.total
    for token, block in zip(pattern, model.layers):
        assert sum(p.numel() for p in block.parameters()) == layer_parameters(token, "llama", size.shape)
    widths, gla = size.shape.widths(), installed.own("gla")
    plain = training_flops(["M", "M", "mA", "Mb"], "llama", size.shape, 512, 256)
    both = training_flops(pattern, "llama", size.shape, 512, 256)
    assert both.layers - plain.layers == pytest.approx(
        3 * (gla.flops(widths, 256) + installed.own("swa").flops(widths, 256))
    )
    assert cache_bytes(["gla"], size.shape, 999) == 2 * gla.cache(widths, 1)
    assert executed_forward(["gla"], "llama", size.shape, 2, 8) > executed_forward([], "llama", size.shape, 2, 8)


def test_scale_models_with_own_layers_start_by_seed_train_and_are_causal():
    spec = ModelSpec("llama", ["swa", "M", "gla", "M"], SIZES["0.1M"].shape, 40)
    one, same = ScaleModel(spec), ScaleModel(spec)
    initialise(one, 3), initialise(same, 3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters()))
    assert all(torch.isfinite(p).all() for p in one.parameters())
    assert len(one.matrices()) == 2 + 3 + 3 + 3  # swa, SwiGLU, gla, SwiGLU
    tokens = torch.randint(40, (2, 33), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[:, 20:] = (changed[:, 20:] + 1) % 40
    torch.testing.assert_close(one(tokens)[:, :20], one(changed)[:, :20])
    before = one.loss(tokens)
    before.backward()
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in one.parameters())
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.sub_(0.05 * parameter.grad)
    assert float(one.loss(tokens)) < float(before)


def test_a_scale_job_names_its_primitives_digests(tmp_path, monkeypatch):
    job = {"model": {"pattern": ["gla", "M"]}, "data": {"folder": "x", "digest": "y"}, "machine": {}}
    plain = copy.deepcopy(job)
    plain["model"]["pattern"] = ["mA", "M"]
    one, other = identity(json.dumps(job)), identity(json.dumps(plain))
    (tmp_path / "gla.py").write_text((SHIPPED / "gla.py").read_text() + "\n")
    monkeypatch.setenv("AIRA_PRIMITIVES", os.pathsep.join([str(tmp_path), str(SHIPPED)]))
    for cached in (installed.available, installed.own):
        cached.cache_clear()
    assert identity(json.dumps(job)) != one
    assert identity(json.dumps(plain)) == other


def test_no_hugging_face_format_takes_an_own_layer_for_another():
    spec = ModelSpec("llama", ["gla", "M"], SIZES["0.1M"].shape, 40)
    with pytest.raises(InvalidCandidate, match="no Hugging Face format holds gla"):
        convert(choose(spec), spec, {}, 32, 0)
    with pytest.raises(ValueError, match=r"pattern\[1\]: there is no primitive nope"):
        ModelSpec("llama", ["M", "nope"], SIZES["0.1M"].shape, 40)
