"""The autoresearch family: rows and probes, the budget, and the chain from prepare to score."""

import copy
import math
import shutil
import sys

import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY

from aira_design.autoresearch import host, lab, steps
from aira_design.autoresearch.rows import pack, with_probes
from aira_design.failures import CandidateFailure
from aira_design.layout import load, read_predictions
from aira_design.settings import parse_settings
from aira_workers.text.tokenizers import BEGIN, Tokenizer

TASK = REPOSITORY / "tasks" / "autoresearch"
BASELINE = (TASK / "baseline" / "train.py").read_text()


def settings(vocabulary=257):
    metadata = yaml.safe_load((TASK / "metadata.yaml").read_text())
    value = copy.deepcopy(metadata["profiles"]["nano"]["rungs"]["screen"]["settings"])
    value["data"].update(train_bytes=60_000, validation_rows=96, test_rows=96, length=40, asked_per_row=16)
    value["data"]["vocabulary"] = vocabulary
    value["script"].update(steps=6)
    value["probes"] = 40
    return parse_settings(value)


def test_rows_are_whole_documents_behind_marks():
    packed = pack(iter([b"abc", b"defgh", b"ijklmnopq"]), Tokenizer([]), 2, 6)
    assert packed.tolist() == [[BEGIN, 98, 99, 100, BEGIN, 101], [BEGIN, 106, 107, 108, 109, 110]]
    with pytest.raises(ValueError, match="fills 1 rows of 6 tokens; 2 are wanted"):
        pack(iter([b"abc", b"defgh"]), Tokenizer([]), 2, 6)


def test_probes_are_what_they_are_said_to_be():
    rng = np.random.default_rng(0)
    packed = rng.integers(1, 257, (30 + 20, 21)).astype(np.uint16)
    rows = with_probes(packed, 30, 12, 8, rng)
    originals = {bytes(row[:-1]): row for row in packed}
    assert len(rows.inputs) == 30 + 24 + 20 and (rows.targets >= 0).all(axis=1).sum() == 30
    for row in np.flatnonzero((rows.targets >= 0).all(axis=1)):
        genuine = originals[bytes(rows.inputs[row])]
        assert np.array_equal(genuine[1:][rows.asked[row]], rows.targets[row])
    for one, other in rows.copies:
        assert np.array_equal(rows.inputs[one], rows.inputs[other]) and np.array_equal(rows.asked[one], rows.asked[other])
        assert (one < 37) != (other < 37), "asked in different halves"
    for one, other, cut in rows.futures:
        assert np.array_equal(rows.inputs[one, :cut], rows.inputs[other, :cut])
        assert cut - 1 in rows.asked[one]
        assert (rows.inputs[one, cut:] != rows.inputs[other, cut:]).mean() > 0.9 or cut == 20
    starts = {bytes(row[:3]) for row in rows.inputs[np.setdiff1d(np.arange(74), rows.splices[:, 0])]}
    for (row, place), truth in zip(rows.splices, rows.spliced):
        cut = rows.asked[row, place] + 1
        own = next(one for one in packed[30:] if np.array_equal(one[:cut], rows.inputs[row, :cut]))
        assert own[cut] == truth
        assert cut < 3 or bytes(rows.inputs[row, :3]) not in starts, "its original is nowhere in the file"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    return out, host.prepare(settings(), 1, b"s" * 16, None, out)


def run(tmp_path, prepared, source, monkeypatch, parsed=None):
    """Train, ask and score a train.py in this process; return the metrics or raise CandidateFailure."""
    parsed = parsed or settings()
    out, manifest = prepared
    candidate, state, answers = tmp_path / "candidate", tmp_path / "state", tmp_path / "answers"
    for folder in (candidate, state, answers):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (candidate / "train.py").write_text(source)
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.chdir(tmp_path)
    steps.train(parsed, 1, out / "train", candidate, state, "cpu")
    steps.predict(parsed, out / "validation", candidate, state, answers, "cpu")
    predictions = read_predictions(answers / "predictions.f32", manifest["splits"]["validation"])
    return host.score(parsed, manifest, out / "hidden", "validation", predictions, state)


def script(logits):
    """A script that learns nothing and answers with the expression `logits` of tokens (batch, time) and V."""
    return (
        "import torch\nfrom torch.nn import functional as F\nfrom prepare import VOCAB_SIZE as V\n"
        f"def load(folder):\n    return lambda tokens: {logits}\n"
        "if __name__ == '__main__':\n    open('nothing', 'w').write('x')\n"
    )


def test_the_baseline_learns_and_is_repeatable(tmp_path, prepared, monkeypatch):
    first = run(tmp_path, prepared, BASELINE, monkeypatch)
    assert first["val_bpb"] < math.log2(257) - 0.3 and first["tokens"] <= first["bytes"]
    assert run(tmp_path, prepared, BASELINE, monkeypatch) == first
    assert not list((prepared[0] / "validation").glob("*target*")) and len(load(prepared[0] / "hidden", "token_bytes")) == 257


def test_bits_per_byte_follow_their_definition(tmp_path, prepared, monkeypatch):
    even = run(tmp_path, prepared, script("torch.zeros(*tokens.shape, V)"), monkeypatch)
    assert even["val_bpb"] == pytest.approx(math.log2(257)) and even["nats_per_token"] == pytest.approx(math.log(257))
    # Pairs of bytes: fewer tokens for the same bytes, and the score is per byte.
    parsed, out = settings(300), tmp_path / "pairs"
    manifest = host.prepare(parsed, 1, None, None, out)
    found = run(tmp_path, (out, manifest), script("torch.zeros(*tokens.shape, V)"), monkeypatch, parsed)
    assert found["val_bpb"] == pytest.approx(found["tokens"] * math.log2(300) / found["bytes"])
    assert found["bytes"] > 1.2 * found["tokens"]


NEXT = "F.one_hot(torch.cat([tokens[:, 1:], tokens[:, :1]], 1), V).float()"


@pytest.mark.parametrize(
    "reason,words,source",
    [
        ("noncausal", "the tokens after it", script(f"{NEXT} * 9")),
        ("noncausal", "the tokens after it", script("F.one_hot(tokens, V) + tokens.float().mean(1)[:, None, None].sin()")),
        ("noncausal", "other rows", script("torch.zeros(*tokens.shape, V) + tokens.float().mean() * torch.ones(V)")),
        ("nan", "finite", script("torch.zeros(*tokens.shape, V) / 0")),
        ("invalid", "expected logits", script("torch.zeros(*tokens.shape, V + 1)")),
        ("invalid", "expected logits", script("tokens")),
        ("invalid", "no function load", "open('x', 'w').write('x')\n"),
        ("invalid", "left nothing", "def load(folder):\n    return 1\n"),
        ("crash", "exited with 3", "import sys\nsys.exit(3)\n"),
        ("crash", "ZeroDivisionError", "1 / 0\n"),
        ("crash", "no training data", script("0").replace("return lambda", "import prepare\n    next(prepare.make_dataloader(2))\n    return lambda")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_script_has_a_reason(tmp_path, prepared, monkeypatch, reason, words, source):
    with pytest.raises(CandidateFailure, match=words) as caught:
        run(tmp_path, prepared, source, monkeypatch)
    assert caught.value.reason == reason


def test_who_looks_ahead_but_answers_twins_alike_is_found_by_the_splices(tmp_path, prepared, monkeypatch):
    """A script that has all rows before it can recognise twins by their common beginning and answer those honestly."""
    hiding = (
        "import torch\nfrom torch.nn import functional as F\nfrom prepare import VOCAB_SIZE as V\n"
        f"import numpy as np\nrows = np.load({str(prepared[0] / 'validation' / 'inputs.npy')!r}).astype(int)\n"
        "def load(folder):\n"
        "    def answer(tokens):\n"
        f"        peeked = {NEXT} * 9\n"
        "        for i, row in enumerate(tokens.numpy()):\n"
        "            same = (np.cumprod(rows == row, 1)).sum(1)\n"
        "            shared = np.sort(same[same < len(row)])[-1]\n"
        "            peeked[i, : shared if shared > 3 else 0] = 0\n"
        "            if (same == len(row)).sum() > 1: peeked[i] = 0\n"
        "        return peeked\n"
        "    return answer\n"
        "if __name__ == '__main__':\n    open('nothing', 'w').write('x')\n"
    )
    with pytest.raises(CandidateFailure, match="goes on with another text") as caught:
        run(tmp_path, prepared, hiding, monkeypatch)
    assert caught.value.reason == "noncausal"


def test_the_budget_ends_by_whatever_ends_first(prepared):
    parsed = settings()
    lab.configure(parsed, 1, prepared[0] / "train", prepared[0], torch.device("cpu"))
    model = torch.nn.Sequential(torch.nn.Embedding(257, 8), torch.nn.Linear(8, 257))
    assert lab.flops_per_token(model) == 6 * 8 * 257
    budget = lab.Budget(lab.flops_per_token(model))
    while budget.left(100):
        budget.spend(100)
    assert budget.steps == 6 == lab.STEP_BUDGET and budget.progress() == 1
    dear = lab.Budget(lab.FLOP_BUDGET / 250)
    while dear.left(100):
        dear.spend(100)
    assert dear.steps == 2 and dear.progress() == pytest.approx(0.8)
    inputs, targets = next(lab.make_dataloader(3, 17))
    assert inputs.shape == targets.shape == (3, 17) and (inputs[:, 0] == BEGIN).all()
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert torch.equal(inputs, next(lab.make_dataloader(3, 17))[0])
