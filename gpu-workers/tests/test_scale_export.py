"""Exports: each format is re-loaded by transformers in a fresh process and compared on logits before it counts as written."""

import json
import math
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from aira_scale.commands.export import configuration
from aira_scale.data.tokenizer import bytes_tokenizer
from aira_scale.export.formats import choose, convert, pairs
from aira_scale.export.write import Fresh
from aira_scale.files import sha256_of
from aira_scale.initial import initialise
from aira_scale.model import ModelSpec, ScaleModel
from aira_scale.shapes import SIZES, Shape
from aira_workers.errors import InvalidCandidate
from conftest import tokens
from scale_jobs import environment

LLAMA = Shape(32, 48, 4, 2, 8, 64, 16, 8, 1, 4, 16, 10_000.0)
NEMOTRON = Shape(32, 48, 4, 2, 16, 48, 12, 8, 2, 4, 16, 10_000.0)


@pytest.fixture(scope="module")
def export():
    for name in ("transformers", "safetensors"):
        pytest.importorskip(name, reason=f"the Python package {name} is not installed")
    if int(__import__("transformers").__version__.split(".")[0]) < 5:
        pytest.skip("NemotronH and Granite as exported need transformers 5")
    from aira_scale.export.write import export

    return export


def trained(folder, family, pattern, shape=None):
    """A folder as a run leaves it, with weights far from their start so that nothing is multiplied by one or zero."""
    spec = ModelSpec(family, list(pattern), shape or (LLAMA if family == "llama" else NEMOTRON), 257)
    model = ScaleModel(spec)
    initialise(model, 5)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 and "A_log" not in name and "dt_bias" not in name:
                parameter.add_(torch.rand(parameter.shape, generator=generator) - 0.3)
            elif parameter.dim() == 2:
                parameter.mul_(5 if name == "embedding" else 2)
    folder.mkdir(parents=True)
    torch.save(model.state_dict(), folder / "weights.pt")
    outcome = {
        "weightsSha256": sha256_of(folder / "weights.pt"),
        "tokens": 1000,
        "steps": 10,
        "flops": 1e9,
        "validationLoss": 2.5,
    }
    told = {"model": asdict(spec), "data": "0" * 64, "seed": 1, "outcome": outcome}
    (folder / "model.json").write_text(json.dumps(told))
    (folder.parent / "tokenizer.json").write_text(json.dumps(bytes_tokenizer()))
    return folder


@pytest.mark.parametrize(
    "family,letters,form",
    [
        ("nemotron", "BMAMBBAM", "nemotron_h"),
        ("nemotron", "AMMA", "nemotron_h"),
        ("nemotron", "BMBB", "nemotron_h"),
        ("nemotron", "M", "nemotron_h"),
        ("llama", "AMAM", "llama"),
        ("llama", "BMMAABMAMMB", "granitemoehybrid"),
        ("llama", "AAMM", "granitemoehybrid"),
        ("llama", "BBMB", "granitemoehybrid"),
        ("nemotron", "BMAMBBAM", "custom"),
        ("llama", "BMMAABMAMMB", "custom"),
        ("llama", "BBMB", "custom"),
    ],
)
def test_exports_equal_the_trained_model(export, tmp_path, family, letters, form):
    source = trained(tmp_path / "model", family, tokens(letters))
    asked = form if form == "custom" else "auto"
    found = export(source, tmp_path / "tokenizer.json", tmp_path / "out", asked, 128, {"search": "demo"})
    assert found["format"] == form and found["difference"] <= 1e-4 * found["scale"] and found["scale"] > 1
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| search | demo |" in card and "2.5000 nats" in card
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("Grüße").input_ids == list("Grüße".encode()) and tokenizer.eos_token_id == 256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out", "tokenizer.json"]


def test_a_custom_directory_generates_and_refuses_padding_on_the_left(export, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    source = trained(tmp_path / "model", "llama", tokens("BAM"))
    export(source, tmp_path / "tokenizer.json", tmp_path / "out", "custom", 128, {})
    program = """
import sys, torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
start = torch.tensor([[72, 105, 33]])
out = model.generate(start, max_new_tokens=5, do_sample=False, attention_mask=torch.ones_like(start))
best = model(out[:, :-1]).logits.argmax(-1)
assert torch.equal(out[:, 3:], best[:, 2:]), (out, best)
padded = torch.cat((start, torch.tensor([[256, 256]])), dim=1)
assert torch.allclose(model(padded, attention_mask=torch.tensor([[1, 1, 1, 0, 0]])).logits[:, :3], model(start).logits, atol=1e-4)
try:
    model(padded, attention_mask=torch.tensor([[0, 1, 1, 1, 1]]))
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "pad on the right: this model has no mask for padding on the left"


def test_a_model_that_was_never_trained_is_exported_with_its_start_values(export, tmp_path):
    fresh = Fresh(ModelSpec("llama", list(tokens("BMA")), LLAMA, 257), 3)
    found = export(fresh, None, tmp_path / "out", "auto", 128, {"pattern": "given"})
    model = ScaleModel(fresh.model)
    assert found["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    card = (tmp_path / "out" / "README.md").read_text()
    assert "initialised by Aira and not trained" in card and "validation loss" not in card and "| given |" in card
    described = json.loads((tmp_path / "out" / "aira.json").read_text())
    assert described["outcome"] is None and described["seed"] == 3
    with pytest.raises(InvalidCandidate, match="the tokenizer has 257 tokens, the model 300"):
        export(Fresh(ModelSpec("llama", ["mA"], LLAMA, 300), 3), None, tmp_path / "other", "auto", 128, {})


def test_missing_packages_are_named_in_one_sentence(tmp_path, monkeypatch):
    from aira_scale.export import write

    find = write.importlib.util.find_spec
    monkeypatch.setattr(write.importlib.util, "find_spec", lambda name: None if name == "transformers" else find(name))
    fresh = Fresh(ModelSpec("llama", ["mA"], LLAMA, 257), 1)
    if find("safetensors") is None:
        match = "packages safetensors and transformers; install them with"
    else:
        match = "package transformers; install them with"
    with pytest.raises(InvalidCandidate, match=match):
        write.export(fresh, None, tmp_path / "out", "auto", 128, {})


def test_a_directory_that_differs_is_not_written(export, tmp_path, monkeypatch):
    """The check itself: one weight off by a little, and one tensor missing, end the export and leave nothing."""
    from aira_scale.export import write

    source = trained(tmp_path / "model", "nemotron", tokens("BMA"))

    def bent(*arguments):
        config, weights = convert(*arguments)
        weights["backbone.layers.0.mixer.dt_bias"] = weights["backbone.layers.0.mixer.dt_bias"] + 0.1
        return config, weights

    monkeypatch.setattr(write, "convert", bent)
    with pytest.raises(InvalidCandidate, match="the re-loaded model differs by"):
        export(source, tmp_path / "tokenizer.json", tmp_path / "out", "auto", 128, {})

    def short(*arguments):
        config, weights = convert(*arguments)
        del weights["backbone.layers.2.mixer.k_proj.weight"]
        return config, weights

    monkeypatch.setattr(write, "convert", short)
    with pytest.raises(InvalidCandidate, match="transformers misses"):
        export(source, tmp_path / "tokenizer.json", tmp_path / "out", "auto", 128, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "tokenizer.json"]


@pytest.mark.parametrize(
    "family,letters,form,message",
    [
        ("llama", "AM", "nemotron_h", "cannot hold the llama family"),
        ("nemotron", "AM", "granitemoehybrid", "cannot hold the nemotron family"),
        ("llama", "AAM", "llama", "use granitemoehybrid"),
    ],
)
def test_formats_that_cannot_hold_a_model_refuse(family, letters, form, message):
    spec = ModelSpec(family, list(tokens(letters)), LLAMA, 257)
    with pytest.raises(InvalidCandidate, match=message):
        convert(form, spec, ScaleModel(spec).state_dict(), 128, 256)


def test_granite_needs_heads_that_fill_the_width():
    spec = ModelSpec("llama", ["mA"], NEMOTRON, 257)
    with pytest.raises(InvalidCandidate, match="heads x head_dim = width"):
        convert("granitemoehybrid", spec, ScaleModel(spec).state_dict(), 128, 256)


def test_pairs_take_each_layer_once_and_in_order():
    assert pairs(list(tokens("BMMAABMA"))) == [(0, 1), (None, 2), (3, None), (4, None), (5, 6), (7, None)]
    assert choose(ModelSpec("llama", list(tokens("AMAM")), LLAMA, 257)) == "llama"
    assert choose(ModelSpec("llama", list(tokens("AMA")), LLAMA, 257)) == "granitemoehybrid"


def test_the_command_answers_configuration_without_any_library(tmp_path):
    source = trained(tmp_path / "model", "llama", tokens("AMB"))
    command = [sys.executable, "-m", "aira_scale", "export", "--model", str(source)]
    done = subprocess.run([*command, "--as", "config"], capture_output=True, text=True, env=environment())
    told = json.loads(done.stdout)
    assert told["model"]["pattern"] == ["mA", "M", "Mb"] and told["outcome"]["tokens"] == 1000
    spec = ModelSpec("llama", ["mA", "M", "Mb"], LLAMA, 257)
    assert told["parameters"] == sum(parameter.numel() for parameter in ScaleModel(spec, "meta").parameters())
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 1 and "needs --out" in done.stderr
    (tmp_path / "fresh.json").write_text(json.dumps({"model": asdict(spec), "seed": 7}))
    command[-2:] = ["--fresh", str(tmp_path / "fresh.json"), "--as", "config"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    fresh = json.loads(done.stdout)
    assert fresh["parameters"] == told["parameters"] and fresh["seed"] == 7 and fresh["outcome"] is None
    (tmp_path / "fresh.json").write_text(json.dumps({"model": asdict(spec), "seed": -1}))
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 1 and done.stderr.startswith("aira_scale: fresh: seed must be between")


@pytest.mark.parametrize("size", ["350M", "1B", "3B"])
@pytest.mark.parametrize("family", ["llama", "nemotron"])
def test_configuration_of_an_extrapolated_pattern_has_the_counts_of_the_model_on_no_memory(size, family):
    """A found pattern of three primitives, stretched to the parameters of the size; the command compares with the meta device."""
    from aira_scale.counts import layer_parameters

    shape, runs = SIZES[size].shape, (("mA", 2), ("M", 5), ("Mb", 2), ("M", 3), ("mA", 1), ("M", 3))

    def count(pattern):
        return sum(layer_parameters(token, family, shape) for token in pattern)

    target = count(SIZES[size].llama())
    factor = target / count([token for token, times in runs for _ in range(times)])
    pattern = [token for token, times in runs for _ in range(math.ceil(factor * times))]
    told = configuration(Fresh(ModelSpec(family, pattern, shape, 50257), 1))
    assert told["nonEmbedding"] == count(pattern) + shape.width >= target
    assert told["parameters"] == told["nonEmbedding"] + 50257 * shape.width


def test_changed_weights_are_refused(export, tmp_path):
    source = trained(tmp_path / "model", "llama", tokens("AM"))
    (source / "weights.pt").write_bytes((source / "weights.pt").read_bytes() + b"x")
    with pytest.raises(InvalidCandidate, match="was changed after training"):
        export(source, tmp_path / "tokenizer.json", tmp_path / "out", "auto", 128, {})
