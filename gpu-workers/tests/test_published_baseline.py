"""The baseline of the profile `paper`: what it is at the published size, and the same code at a size that a CPU trains."""

import math
import sys

import pytest
import torch
import yaml
from aira_design.autoresearch import lab
from test_design_autoresearch import TASK, prepare, run, settings

SOURCE = (TASK / "baseline" / "published" / "train.py").read_text()
MICRO = {
    "DEPTH = 8": "DEPTH = 4",
    "WIDTH = 512": "WIDTH = 64",
    "HEAD_SIZE = 128": "HEAD_SIZE = 32",
    "BATCH = 128": "BATCH = 4",
}


def micro():
    source = SOURCE
    for old, new in MICRO.items():
        assert source.count(f"\n{old} ") == 1
        source = source.replace(f"\n{old} ", f"\n{new} ")
    return source


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(settings(packing="best-fit"), tmp_path_factory.mktemp("prepared"))


def module(monkeypatch, source, length, vocabulary):
    """The script as a module, for rows of `length` tokens."""
    for name, value in (("MAX_SEQ_LEN", length), ("VOCAB_SIZE", vocabulary), ("DEVICE", torch.device("cpu"))):
        monkeypatch.setattr(lab, name, value)
    monkeypatch.setitem(sys.modules, "prepare", lab)
    names = {"__name__": "train"}
    exec(compile(source, "train.py", "exec"), names)
    return names


def test_has_the_published_number_of_parameters(monkeypatch):
    model = module(monkeypatch, SOURCE, 2048, 8192)["Model"]()
    assert round(sum(one.numel() for one in model.parameters()) / 1e6, 1) == 50.3
    assert [block.window for block in model.blocks] == [1024, 1024, 1024, 2048] * 2
    assert [block.values is not None for block in model.blocks] == [False, True] * 4


def test_at_micro_size_it_learns_and_streams_what_it_answers_whole(tmp_path, prepared, monkeypatch):
    parsed = settings(packing="best-fit")
    streamed = run(tmp_path, prepared, micro(), monkeypatch, parsed)
    assert streamed["val_bpb"] < math.log2(257) - 1.5
    whole = run(tmp_path, prepared, micro().replace("def stream", "def unused"), monkeypatch, parsed)
    assert streamed["val_bpb"] == pytest.approx(whole["val_bpb"], rel=1e-5)


def test_fused_attention_is_attention(monkeypatch):
    names = module(monkeypatch, micro(), 40, 257)
    if names["FUSED"] is None:
        pytest.skip("this torch has no fused attention")
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 12, 8)
    for new, window in ((12, 40), (12, 5), (1, 40), (1, 5), (4, 40)):
        fused = names["attention"](q[..., -new:, :], k, v, window)
        monkeypatch.setitem(names, "FUSED", None)
        assert torch.allclose(fused, names["attention"](q[..., -new:, :], k, v, window), atol=1e-5)
        monkeypatch.undo()
        names["FUSED"] = torch.nn.functional.scaled_dot_product_attention


@pytest.mark.parametrize("shape", [(3, 48, 48), (2, 128, 32), (2, 32, 128)])
def test_a_step_of_muon_is_orthogonal(monkeypatch, shape):
    names = module(monkeypatch, micro(), 40, 257)
    torch.manual_seed(0)
    values = torch.linalg.svdvals(names["polar"](torch.randn(shape)))
    assert values.min() > 0.7 and values.max() < 1.25


def test_the_profile_paper_asks_what_the_published_task_asks():
    rungs = yaml.safe_load((TASK / "metadata.yaml").read_text())["profiles"]["paper"]["rungs"]
    settings = rungs["final"]["settings"]
    data, budget = settings["data"], settings["script"]
    assert (data["length"], data["vocabulary"], data["packing"], data["corpus"]) == (2048, 8192, "best-fit", "climbmix")
    assert data["test_rows"] * data["asked_per_row"] == 20_971_520 and data["asked_per_row"] == data["length"]
    assert budget["seconds"] == 300 and budget["reference_costs"] == 0
