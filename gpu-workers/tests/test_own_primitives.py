"""Primitives of a user: the shipped examples against their definitions, what the validation catches, discovery and digests."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from aira_primitives import Widths
from aira_primitives.check import WIDTHS, built, noise, validate
from aira_primitives.discover import PrimitiveFault, discover, found_in
from aira_primitives.own import OwnLayer, load
from aira_workers.primitives.initial import Start
from conftest import PACKAGE, REPOSITORY

SHIPPED = REPOSITORY / "primitives"
WIDE = Widths(64, 4, 2, 16, 176, 128, 4, 16, 4, 1e4)

PLAIN = """
import torch
from torch import nn

TITLE, COLOUR, HINT = "running mean", "#336699", "the mean of all earlier positions, through one matrix"

class Layer(nn.Module):
    def __init__(self, w, draw):
        super().__init__()
        self.m = draw.output(w.width, w.width)

    def forward(self, x):
        count = torch.arange(1, x.shape[1] + 1, dtype=x.dtype, device=x.device)[:, None]
        return (x.cumsum(1) / count) @ self.m

    def step(self, x, state):
        total, count = state or (0 * x, 0)
        return (total + x) / (count + 1) @ self.m, (total + x, count + 1)

def parameters(w):
    return w.width ** 2

def flops(w, length):
    return 2 * w.width ** 2

def cache(w, length):
    return w.width
"""


def example(name):
    return load(found_in(SHIPPED / f"{name}.py"))


def written(folder, text, name="mean"):
    file = folder / f"{name}.py"
    file.write_text(text)
    return found_in(file)


@pytest.mark.parametrize("name", ["gla", "swa"])
def test_the_shipped_examples_are_valid(name):
    assert [check for check, _ in validate(example(name))] == [
        *("parameters", "shapes", "finite", "causality", "batch independence", "gradients", "decoding", "flops"),
    ]


@pytest.mark.parametrize("widths", [*WIDTHS, WIDE])
def test_gated_linear_attention_is_its_recurrence(widths):
    module = built(example("gla"), widths, torch.float64).layer
    x = noise(2, 53, widths.width, dtype=torch.float64)
    heads, value = widths.heads, widths.width // widths.heads
    key = value // 2
    mixed = x @ module.input
    ends = np.cumsum([heads * key, heads * key, heads * value, heads * value])
    q, k, v, gate, low = np.split(mixed.detach().numpy(), ends, axis=-1)
    decay = (1 / (1 + np.exp(-(low @ module.gate.detach().numpy() + module.gate_bias.detach().numpy())))) ** (1 / 16)
    out = np.zeros((2, 53, heads * value))
    for b in range(2):
        for h in range(heads):
            state = np.zeros((key, value))
            ks, vs = slice(h * key, (h + 1) * key), slice(h * value, (h + 1) * value)
            for t in range(53):
                state = decay[b, t, ks, None] * state + np.outer(k[b, t, ks], v[b, t, vs])
                y = state.T @ q[b, t, ks] / np.sqrt(key)
                out[b, t, vs] = y / np.sqrt(np.mean(y**2) + 1e-5)
    expected = (out * gate / (1 + np.exp(-gate))) @ module.output.detach().numpy()
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("widths", [*WIDTHS, WIDE])
def test_sliding_window_attention_is_masked_full_attention(widths):
    module = built(example("swa"), widths, torch.float64).layer
    length, window, head = 53, max(8, widths.width // 4), widths.head_dim
    x = noise(2, length, widths.width, dtype=torch.float64)
    heads, shared = widths.heads, widths.kv_heads
    q, k, v = (x @ module.input).split((heads * head, shared * head, shared * head), -1)
    angle = torch.arange(length)[:, None] * widths.rotary_base ** (
        -torch.arange(0, head, 2, dtype=torch.float64) / head
    )
    turn = torch.polar(torch.ones_like(angle), angle)

    def turned(part):
        halves = torch.complex(part[..., : head // 2], part[..., head // 2 :]) * turn
        return torch.cat([halves.real, halves.imag], -1)

    distance = torch.arange(length)[:, None] - torch.arange(length)
    seen = (distance >= 0) & (distance < window)
    out = []
    for h in range(heads):
        s = h // (heads // shared)
        one, other = turned(q[..., h * head : (h + 1) * head]), turned(k[..., s * head : (s + 1) * head])
        weights = (one @ other.transpose(1, 2) / head**0.5).masked_fill(~seen, -torch.inf).softmax(-1)
        out.append(weights @ v[..., s * head : (s + 1) * head])
    torch.testing.assert_close(module(x), torch.cat(out, -1) @ module.output, rtol=1e-9, atol=1e-9)


FAULTS = {
    "causality": ("x.cumsum(1) / count", "x.mean(1, keepdim=True).expand_as(x)", "changes with the input"),
    "batch": ("x.cumsum(1) / count", "x.cumsum(1) / count + x.mean(0)", "changes with|other sequences"),
    "shape": ("@ self.m\n\n    def step", "@ self.m[:, :3]\n\n    def step", "forward must return"),
    "finite": ("x.cumsum(1) / count", "x.exp().exp()", "NaN or infinity"),
    "gradient": ("@ self.m\n\n    def step", "@ self.m.detach()\n\n    def step", "m gets no gradient"),
    "parameters": ("return w.width ** 2", "return w.width", "parameters gives 32, the layer has 1024"),
    "decoding": ("(total + x) / (count + 1)", "(total + x) / (count + 2)", "step differs from forward"),
    "cache": ("def cache(w, length):\n    return w.width", "def cache(w, length):\n    return 1", "cache gives 1 numbers after 1 tokens, the state has 32"),
    "flops": ("2 * w.width ** 2", "2", "flops gives 2 per token, the matrix products of forward take 2048"),
    "length": ("x.cumsum(1) / count", "x.cumsum(1) / x.shape[1]", "depends on the length|step differs"),
    "start": ("draw.output(w.width, w.width)", "nn.Parameter(torch.zeros(w.width, w.width))", "m is not from `draw`"),
    "drawn": ("super().__init__()", "super().__init__(); draw.constant(3, value=1.0)", "1 parameters were drawn but not assigned"),
    "crash": ("x.cumsum(1) / count", "x.cumsum(1) / cuont", "line 14: NameError: name 'cuont' is not defined"),
    "exit": ("import torch\nfrom", "raise SystemExit\nimport torch\nfrom", "line 2: SystemExit"),
    "exit later": ("x.cumsum(1) / count", "exit()", "line 14: SystemExit"),
    "title": ('"running mean"', '""', "TITLE must be one line"),
    "colour": ("#336699", "blue", "COLOUR must be like #7b5ea7"),
    "formula": ("def cache(w, length)", "def cash(w, length)", "the function cache is missing"),
    "arguments": ("def flops(w, length)", "def flops(w)", "flops must take"),
    "syntax": ("def parameters(w):", "def parameters(w:", "SyntaxError"),
    "figure": ("return 2 * w.width ** 2", "return float('nan')", "flops must be a number"),
}  # fmt: skip


def test_the_plain_example_of_this_file_is_valid(tmp_path):
    assert len(list(validate(load(written(tmp_path, PLAIN))))) == 8


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_sentence(tmp_path, name):
    old, new, said = FAULTS[name]
    assert PLAIN.count(old) >= 1
    with pytest.raises(PrimitiveFault, match=said) as caught:
        list(validate(load(written(tmp_path, PLAIN.replace(old, new)))))
    assert "\n" not in str(caught.value) and "mean.py" in str(caught.value)


def test_a_wrong_hand_written_gradient_is_found(tmp_path):
    text = PLAIN.replace("class Layer", '''
class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad

class Layer''').replace("x.cumsum(1) / count", "Wrong.apply(x.cumsum(1) / count) / 2")  # fmt: skip
    with pytest.raises(PrimitiveFault, match="the gradient of the input is .* measured"):
        list(validate(load(written(tmp_path, text))))


def test_discovery_runs_nothing_and_the_first_folder_wins(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir(), second.mkdir()
    (first / "gla.py").write_text("raise SystemExit('ran')")
    for folder in (first, second):
        for name in ("_private.py", "test_gla.py", "notes.txt"):
            (folder / name).write_text("raise SystemExit('ran')")
    (second / "gla.py").write_text(PLAIN)
    (second / "Mb.py").write_text(PLAIN)
    (second / "my-layer.py").write_text(PLAIN)
    found = discover({"AIRA_PRIMITIVES": os.pathsep.join(map(str, (first, second)))})
    assert found.found["gla"].origin == str(first / "gla.py")
    assert "test_gla" not in found.found and "_private" not in found.found
    with pytest.raises(PrimitiveFault, match="Mb is a built-in primitive"):
        found.get("Mb")
    with pytest.raises(PrimitiveFault, match="a primitive's name is a letter"):
        found.get("my-layer")
    with pytest.raises(PrimitiveFault, match="there is no primitive nope; known are M, mA, Mb, gla"):
        found.get("nope")
    with pytest.raises(PrimitiveFault, match="is not a folder of primitives"):
        discover({"AIRA_PRIMITIVES": str(tmp_path / "missing")})


def test_the_digest_follows_the_source_and_what_runs_is_what_was_hashed(tmp_path):
    found = written(tmp_path, PLAIN)
    same = written(tmp_path, PLAIN)
    changed = written(tmp_path, PLAIN + "\n")
    assert found.digest == same.digest != changed.digest
    assert load(found).digest == found.digest and load(found).title == "running mean"
    (tmp_path / "mean.py").write_text("raise SystemExit('ran')")
    assert load(found).title == "running mean"


def test_start_values_depend_on_the_generator_alone():
    def drawn(seed):
        layer = OwnLayer(example("gla"), WIDE)
        rng = np.random.default_rng(seed)
        for name, parameter in layer.layer.named_parameters():
            layer.start(name, parameter, rng, Start("fan-in", 0.5))
        return layer

    one, same, other = drawn(1), drawn(1), drawn(2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters()))
    assert not torch.equal(one.layer.input, other.layer.input)
    assert float(one.layer.input.std()) == pytest.approx(64**-0.5, rel=0.05)
    assert float(one.layer.output.std()) == pytest.approx(0.5 * 64**-0.5, rel=0.05)
    assert [matrix.shape[0] for matrix in one.matrices()] == [64, 16, 64]


def test_an_entry_point_of_an_installed_package_is_found_and_hashed_whole(tmp_path):
    package = tmp_path / "layers_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("SCALE = 2\n")
    (package / "mean.py").write_text(PLAIN.replace("import torch\n", "import torch\nfrom .helper import SCALE\n", 1))
    info = tmp_path / "layers_of_mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: layers-of-mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[aira.primitives]\nmean = layers_of_mine.mean\n")

    def described():
        path = os.pathsep.join([str(PACKAGE), str(tmp_path)])
        done = subprocess.run(
            [sys.executable, "-m", "aira_primitives", "describe", '{"sizes":[],"context":64}', "mean"],
            capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": path, "AIRA_PRIMITIVES": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["primitives"][0]

    before = described()
    assert before["title"] == "running mean"
    (package / "helper.py").write_text("SCALE = 3\n")
    assert described()["digest"] != before["digest"]


def test_the_manifest_has_costs_at_the_sizes_asked_for(tmp_path):
    size = {"name": "1B", "width": 2048, "heads": 32, "kv_heads": 8, "head_dim": 64, "ffn_inner": 8192, "ssm_inner": 4096,
            "ssm_heads": 32, "ssm_state": 128, "ssm_conv": 4, "rotary_base": 5e5}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "aira_primitives", "describe", json.dumps({"sizes": [size], "context": 8192}), "swa"],
        capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "AIRA_PRIMITIVES": str(SHIPPED)},
    )  # fmt: skip
    (entry,) = json.loads(done.stdout)["primitives"]
    assert entry["token"] == "swa" and len(entry["digest"]) == 64
    parameters = 2048 * 64 * (2 * 32 + 2 * 8)
    seen = 512 - 512 * 511 / (2 * 8192)
    assert entry["costs"]["1B"] == {
        "parameters": parameters,
        "trainingFlopsPerToken": pytest.approx(3 * (2 * parameters + 4 * 2048 * seen)),
        "cacheBytes": 2 * 2 * 8 * 64 * 512,
    }


def test_what_a_module_prints_is_no_part_of_the_answer(tmp_path):
    written(tmp_path, f"import os\nos.write(1, b'hello')\nprint('hello')\n{PLAIN}")
    done = subprocess.run(
        [sys.executable, "-m", "aira_primitives", "describe", '{"sizes":[],"context":1}', "mean"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PACKAGE), "AIRA_PRIMITIVES": str(tmp_path)},
    )  # fmt: skip
    assert [entry["token"] for entry in json.loads(done.stdout)["primitives"]] == ["mean"]


@pytest.mark.parametrize("arguments,said", [(["check", "nowhere.py"], "cannot be read"), (["describe", '{"sizes":[],"context":1}', "nope"], "there is no primitive nope")])  # fmt: skip
def test_the_command_says_a_fault_in_one_line(arguments, said):
    done = subprocess.run(
        [sys.executable, "-m", "aira_primitives", *arguments], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
