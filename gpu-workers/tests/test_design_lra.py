"""The Long Range Arena family: generators, encoder, our mixers, and the chain from prepare to score."""

import json
import os
from statistics import median

import numpy as np
import pytest
import torch
from aira_design.candidate import import_file
from aira_design.failures import CandidateFailure
from aira_design.layout import read_json, read_predictions
from aira_design.lra import files, listops
from aira_design.lra.config import chosen_training
from aira_design.lra.data import splits
from aira_design.lra.encoder import Encoder, count_parameters
from aira_design.lra.reference import parameter_limit
from aira_design.settings import parse_settings
from lra_chain import (  # noqa: F401 - prepared is a fixture
    FULL,
    HEAD,
    MIXERS,
    mixer,
    prepared,
    run,
    settings,
    verb,
)

NAMES = sorted(file.stem for file in MIXERS.glob("*.py"))


def evaluate(order):
    """The value of token ids, by a parser that shares nothing with the generator."""
    stack = [[]]
    for token in order:
        symbol = listops.SYMBOLS[token - 1]
        if symbol.startswith("["):
            stack.append([symbol])
        elif symbol == "]":
            name, *values = stack.pop()
            made = {"[MIN": min, "[MAX": max, "[MED": lambda v: int(median(v)), "[SM": lambda v: sum(v) % 10}[name]
            stack[-1].append(made(values))
        else:
            stack[-1].append(int(symbol))
    (value,) = stack.pop()
    return value


def test_expressions_are_of_the_published_kind():
    found = listops.distinct(listops.expressions(np.random.default_rng(1), 8, 60, 5, 6), 300, set())
    assert len({tokens for tokens, _ in found}) == 300
    depths, _arguments = set(), set()
    for tokens, value in found:
        assert 8 < len(tokens) < 60 and evaluate(tokens) == value
        depth = 0
        for token in tokens:
            depth += listops.SYMBOLS[token - 1].startswith("[")
            depths.add(depth)
            depth -= listops.SYMBOLS[token - 1] == "]"
    assert max(depths) <= 4, "an operator stands at most at depth max_depth - 1"
    assert {listops.SYMBOLS[tokens[0] - 1] for tokens, _ in found} == {"[MIN", "[MAX", "[MED", "[SM"}
    assert listops.encode("( ( ( [MAX 4 ) 3 ) ] )") == bytes([12, 5, 4, 15])


@pytest.mark.parametrize("task", ["listops", "text", "retrieval"])
def test_hidden_rows_are_secret_distinct_and_balanced(task):
    data = parse_settings(settings(task)).data
    public, secret, again = (splits(data, 3, key, None) for key in (None, b"x" * 16, b"x" * 16))
    for split in ("train", "validation", "test"):
        assert np.array_equal(secret[split].inputs, again[split].inputs)
        assert not np.array_equal(public[split].inputs, secret[split].inputs)
    rows = [bytes(row) for split in secret.values() for row in split.inputs]
    assert len(set(rows)) == len(rows), "no row occurs in two splits"
    assert int(public["train"].inputs.max()) < data.vocabulary
    shares = np.bincount(public["train"].targets, minlength=data.classes) / 256
    assert shares.max() < (0.45 if task == "listops" else 0.65)


@pytest.mark.parametrize("name", NAMES)
def test_our_mixers_keep_the_contract(name):
    build = import_file(MIXERS / f"{name}.py", name).build
    torch.manual_seed(0)
    length = 41
    mixer = build(16, length, 2, 7).eval()
    x, mask = torch.randn(5, length, 16), torch.ones(5, length, dtype=torch.bool)
    mask[1, 30:] = False
    x = x * mask[..., None]
    with torch.no_grad():
        y = mixer(x, mask)
        assert y.shape == x.shape and torch.isfinite(y).all()
        assert torch.allclose(mixer(x[1:2], mask[1:2]), y[1:2], atol=1e-5), "other sequences must not matter"
        far = x.clone()
        far[:, -12:-11] += 3.0
        assert (mixer(far, mask)[[0, 2, 3, 4], 0] - y[[0, 2, 3, 4], 0]).abs().max() > 1e-5, "the summary hears of all"
    parsed = parse_settings(settings())
    reference, limit = parameter_limit(parsed)
    assert count_parameters(Encoder(parsed.data, parsed.model, build, 0, 0)) <= limit < 1.11 * reference


def test_local_attention_equals_full_attention_within_its_window():
    full = import_file(MIXERS / "full.py", "full").build(16, 16, 2, 0)
    local = import_file(MIXERS / "local_window.py", "local").build(16, 16, 2, 0)
    local.load_state_dict(full.state_dict())
    x, mask = torch.randn(3, 16, 16), torch.ones(3, 16, dtype=torch.bool)
    mask[2, 9:] = False
    assert torch.allclose(local(x, mask)[mask], full(x, mask)[mask], atol=1e-5)


def test_the_state_space_scan_equals_its_recurrence():
    scan = import_file(MIXERS / "ssd.py", "ssd").scan
    torch.manual_seed(1)
    value, dt, b, c = torch.randn(2, 70, 3, 4), torch.rand(2, 70, 3), torch.randn(2, 70, 5), torch.randn(2, 70, 5)
    state, rows = torch.zeros(2, 3, 5, 4), []
    for step in range(70):
        state = state * torch.exp(-dt[:, step])[..., None, None]
        state = state + torch.einsum("bk,bhs->bhks", b[:, step], value[:, step] * dt[:, step, :, None])
        rows.append(torch.einsum("bk,bhks->bhs", c[:, step], state))
    assert torch.allclose(scan(value, dt, b, c), torch.stack(rows, dim=1), atol=1e-4)


def test_the_chain_gives_a_score_twice_the_same(tmp_path, prepared):
    first = run(tmp_path, prepared, FULL)
    assert 0 <= first["accuracy"] <= 1 and first["rows"] == 64
    assert first["parameters"] == prepared[1]["parameters"]["reference"]
    assert run(tmp_path, prepared, FULL) == first
    # A mixer with numbers that it draws and does not keep must draw the same ones when it is asked.
    drawn = run(tmp_path, prepared, (MIXERS / "performer.py").read_text())
    assert drawn["loss"] < 4


@pytest.mark.parametrize(
    "reason,source",
    [
        ("noncausal", mixer("        return self.p(x) + x.mean(dim=(0, 1))")),
        ("toobig", mixer("        return self.p(x) + 0 * self.q.sum()",
                         "        self.q = nn.Parameter(torch.zeros(4000))")),
        ("invalid", mixer("        return self.p(x)", "        self.register_buffer('q', torch.zeros(4))")),
        ("invalid", mixer("        return self.p(x)", "        self.double()")),
        ("invalid", HEAD + "one = nn.Linear(16, 16)\ndef build(width, length, heads, seed):\n    return one\n"),
        ("nan", mixer("        return self.p(x) / 0")),
        ("invalid", mixer("        return self.p(x)[:, 1:]")),
        ("invalid", mixer("        return self.p(x).double()")),
        ("invalid", "def build(width, length, heads, seed):\n    return 3\n"),
        ("invalid", "x = 1\n"),
        ("crash", "import nothing_of_that_name\n"),
        ("crash", "import sys\nsys.exit(0)\n"),
        ("oom", mixer("        return self.p(x) + torch.zeros(1 << 50)")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_candidate_has_a_reason(tmp_path, prepared, reason, source):
    with pytest.raises(CandidateFailure) as caught:
        run(tmp_path, prepared, source)
    assert caught.value.reason == reason, caught.value.message


def test_configurations_are_read_strictly_and_cost_the_same(tmp_path):
    parsed = parse_settings(settings(configurable=True))

    def chosen(text):
        (tmp_path / "config.toml").write_text(text)
        return chosen_training(parsed, tmp_path)

    assert chosen("") == parsed.training
    some = chosen("# a comment\nlearning_rate = 2e-3  # tune: 0.001..0.1 log\nbatch = 8\n")
    assert (some.learning_rate, some.batch, some.steps, some.warmup) == (0.002, 8, 12, parsed.training.warmup)
    for text, message in (
        ("batch = 32\nsteps = 6", "batch x steps is 192; at most 96"),
        ("width = 32", "line 1: width may not be changed"),
        ("batch = 1.5", "batch must be a whole number"),
        ("learning_rate = nan", "line 1 is not `name = number`"),
        ("learning_rate = 0", "learning_rate must be above 0"),
        ("batch = 8\nbatch = 8", "line 2: batch is given twice"),
        ("learning_rate = 1e300", "learning_rate must be a number"),
    ):
        with pytest.raises(CandidateFailure, match=message):
            chosen(text)
    (tmp_path / "config.toml").write_text("batch = 8")
    fixed = parse_settings(settings())
    assert chosen_training(fixed, tmp_path) == fixed.training


@pytest.mark.parametrize("damage,reason", [
    ("short", "invalid"), ("long", "invalid"), ("nan", "nan"), ("infinite", "nan"), ("missing", "invalid"),
    ("link", "tampered"), ("second name", "tampered"), ("pipe", "tampered"), ("folder", "tampered"),
])  # fmt: skip
def test_predictions_are_read_without_trust(tmp_path, damage, reason):
    entry = {"bytes": 16, "shape": [2, 2]}
    file = tmp_path / "predictions.f32"
    values = np.array([1, 2, 3, np.nan if damage == "nan" else np.inf if damage == "infinite" else 4], dtype="<f4")
    content = values.tobytes()[: 12 if damage == "short" else 16] + (b"\0" if damage == "long" else b"")
    if damage in ("link", "second name"):
        (tmp_path / "real").write_bytes(content)
        (file.symlink_to if damage == "link" else file.hardlink_to)(tmp_path / "real")
    elif damage == "pipe":
        os.mkfifo(file)
    elif damage == "folder":
        file.mkdir()
    elif damage != "missing":
        file.write_bytes(content)
    with pytest.raises(CandidateFailure) as caught:
        read_predictions(file, entry)
    assert caught.value.reason == reason


def test_the_verbs_work_as_processes_and_refuse_in_one_sentence(tmp_path):
    chosen = tmp_path / "settings.json"
    chosen.write_text(json.dumps(settings()))
    out = tmp_path / "out"
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate" / "model.py").write_text(mixer("        return self.p(x)[:, 1:]"))
    assert verb("prepare", "--settings", chosen, "--seed", 1, "--out", out).returncode == 0
    manifest = read_json(out / "manifest.json")
    assert manifest["splits"]["test"]["bytes"] == (64 + 16) * 10 * 4 and manifest["secret"] is None
    assert sorted(file.name for file in (out / "test").iterdir()) == ["inputs.npy"]
    done = verb("host-train", "--settings", chosen, "--seed", 1, "--train", out / "train", "--manifest",
                out / "manifest.json", "--candidate", tmp_path / "candidate", "--out", tmp_path / "state")  # fmt: skip
    said = json.loads(done.stdout)
    assert (done.returncode, said["status"], said["reason"]) == (0, "failed", "invalid") and "expected" in said[
        "message"
    ]
    (tmp_path / "candidate" / "model.py").write_text("import os\nos._exit(0)\n")
    done = verb("host-train", "--settings", chosen, "--seed", 1, "--train", out / "train", "--manifest",
                out / "manifest.json", "--candidate", tmp_path / "candidate", "--out", tmp_path / "state")  # fmt: skip
    assert json.loads(done.stdout)["status"] == "gone"
    (tmp_path / "predictions.f32").write_bytes(np.zeros((80, 10), dtype="<f4").tobytes())
    (tmp_path / "state" / "state.f32").write_bytes(bytes(8))
    (tmp_path / "state" / "state.json").write_text("{}")
    done = verb("score", "--settings", chosen, "--manifest", out / "manifest.json", "--hidden", out / "hidden",
                "--predictions", tmp_path / "predictions.f32", "--state", tmp_path / "state", "--split", "test")  # fmt: skip
    result = json.loads(done.stdout)
    assert result["status"] == "ok" and result["metrics"]["loss"] == pytest.approx(np.log(10))
    chosen.write_text(json.dumps({**settings(), "prbes": 1}))
    done = verb("prepare", "--settings", chosen, "--seed", 1, "--out", out)
    assert done.returncode == 2 and "did you mean 'probes'" in done.stderr and "Traceback" not in done.stderr


def test_the_benchmarks_own_files_are_read(tmp_path):
    (tmp_path / "listops").mkdir()
    for name in ("train", "val", "test"):
        (tmp_path / "listops" / f"basic_{name}.tsv").write_text("Source\tTarget\n( ( ( [SM 9 ) 3 ) ] )\t2\n")
    assert files.read("listops", tmp_path)["validation"] == [((bytes([14, 10, 4, 15]),), 2)]
    (tmp_path / "aan").mkdir()
    for name in ("train", "eval", "test"):
        (tmp_path / "aan" / f"new_aan_pairs.{name}.tsv").write_text('1.0\ta\tb\tone "text\t' + "x" * 20_000 + "\n")
    ((documents, label),) = files.read("retrieval", tmp_path)["train"]
    assert label == 1 and documents[0] == b'one "text' and len(documents[1]) == 10_000
    for source in ("train", "test"):
        for label in ("neg", "pos"):
            (tmp_path / "imdb" / source / label).mkdir(parents=True)
            for index in range(40):
                (tmp_path / "imdb" / source / label / f"{index}.txt").write_text(f"{source} {label} {index}")
    found = files.read("text", tmp_path)
    assert len(found["train"]) + len(found["validation"]) == 80 and len(found["test"]) == 80
    assert 1 <= len(found["validation"]) <= 20 and all(b"pos" in row[0][0] for row in found["test"] if row[1] == 1)
    with pytest.raises(FileNotFoundError, match="aira data import imdb"):
        files.read("text", tmp_path / "nowhere")
    (tmp_path / "listops" / "basic_test.tsv").write_text("Source\tTarget\n[MAXX 9 ]\t2\n")
    with pytest.raises(ValueError, match="basic_test.tsv line 2"):
        files.read("listops", tmp_path)
