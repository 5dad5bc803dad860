"""The Long Range Arena family: generators, encoder, our mixers, and the chain from prepare to score."""

import copy
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from statistics import median

import numpy as np
import pytest
import torch
import yaml
from conftest import PACKAGE, REPOSITORY

from aira_design.candidate import import_file
from aira_design.channel import Channel, PeerBroke, PeerGone
from aira_design.failures import CandidateFailure
from aira_design.layout import read_json, read_predictions
from aira_design.lra import files, host, listops, loops, mixers
from aira_design.lra.config import chosen_training
from aira_design.lra.data import splits
from aira_design.lra.encoder import Encoder, count_parameters
from aira_design.lra.reference import parameter_limit
from aira_design.settings import parse_settings
from aira_design.state import read_state

MIXERS = REPOSITORY / "tasks" / "mixers"
NAMES = sorted(file.stem for file in MIXERS.glob("*.py"))


def settings(task="listops", **changes):
    """The nano screen of a task, made small enough for a second."""
    metadata = yaml.safe_load((REPOSITORY / "tasks" / f"design-lra-{task}-fixed" / "metadata.yaml").read_text())
    value = copy.deepcopy(metadata["profiles"]["nano"]["rungs"]["screen"]["settings"])
    value["data"].update(train=256, validation=64, test=64, length=48)
    value["model"].update(width=16, heads=2, mlp=32)
    value["training"].update(steps=6, batch=16)
    value.update(probes=16, **changes)
    return value


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
    depths, arguments = set(), set()
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


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    manifest = host.prepare(parse_settings(settings()), 1, b"s" * 16, None, out)
    (out / "manifest.json").write_text(json.dumps(manifest))
    return out, manifest


def with_program(work, serve):
    """Give `work` a channel to `serve`, which runs beside it and gets the other end; return what `work` returns."""
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
    told = out / "manifest.json"

    def serve(channel):
        mixers.serve(candidate, channel, torch.device("cpu"))

    with_program(lambda channel: loops.train(parsed, 1, out / "train", told, candidate, channel, state, "cpu"), serve)
    with_program(lambda channel: loops.predict(parsed, out / "validation", told, state, channel, answers, "cpu"), serve)
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


def test_training_through_the_channel_equals_training_in_one_process(tmp_path, prepared):
    """To the last bit: the split of a step over two processes changes nothing of what is computed."""
    out, manifest = prepared
    parsed = parse_settings(settings())
    (tmp_path / "model.py").write_text(FULL)
    verb("host-train", "--settings", write(tmp_path / "settings.json", settings()), "--seed", 1, "--train", out / "train",
         "--manifest", out / "manifest.json", "--candidate", tmp_path, "--out", tmp_path / "state")  # fmt: skip
    found, seed = read_state(tmp_path / "state")

    inputs, targets = (np.load(out / "train" / f"{name}.npy") for name in ("inputs", "targets"))
    built = import_file(tmp_path / "model.py", "model").build

    def build(width, length, heads, layer_seed):
        torch.manual_seed(layer_seed)
        return built(width, length, heads, layer_seed)

    layers = [build(16, 49, 2, 1 + layer) for layer in range(2)]
    encoder = Encoder(parsed.data, parsed.model, lambda *_: layers.pop(0), 1, manifest["start"])
    optimiser = torch.optim.AdamW(encoder.parameters(), 1.0, (0.9, 0.98), 1e-9, weight_decay=0.1)
    rows = np.random.default_rng([manifest["start"], 1]).permutation(len(targets))
    for step in range(1, 7):
        picked = np.sort(rows[(step - 1) * 16 : step * 16])
        loss = torch.nn.functional.cross_entropy(
            encoder(torch.from_numpy(inputs[picked].astype(np.int64))), torch.from_numpy(targets[picked])
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = loops.rate(0.01, 30, step)
        optimiser.step()
    assert seed == 1 and len(found) == len(encoder.state_dict())
    for (name, one), other in zip(encoder.state_dict().items(), found.values()):
        assert torch.equal(one, other), name


def test_a_state_holds_values_of_parameters_and_no_word_of_the_candidate(tmp_path, prepared):
    """Names, keys and files of its own are what a candidate could carry bytes in, uncounted."""
    source = mixer(
        "        return self.p(x)",
        "        self.register_parameter('carried_' + 'x' * 200, nn.Parameter(torch.zeros(0)))",
    )
    metrics = run(tmp_path, prepared, source + "\nopen('carried.bin', 'w').close()\n")
    state = tmp_path / "state"
    assert sorted(file.name for file in state.iterdir()) == ["state.f32", "state.json"]
    told = read_json(state / "state.json")
    assert set(told) == {"seed", "tensors"} and "carried" not in json.dumps(told)
    assert metrics["parameters"] * 4 == (state / "state.f32").stat().st_size
    os.remove("carried.bin")


def test_the_encoders_start_is_no_matter_of_the_public_seed(prepared, tmp_path):
    other = host.prepare(parse_settings(settings()), 1, b"t" * 16, None, tmp_path)
    assert prepared[1]["start"] != other["start"] and min(prepared[1]["start"], other["start"]) > 2**40


BUILT = {"layers": [[[[4, 4], True]]] * 2}


def scripted(*answers):
    """A program that speaks the protocol itself: each answer is (kind, fields, arrays), or None to leave."""

    def asked(channel):
        while channel.receive(1 << 30).kind == "values":
            pass

    def serve(channel):
        try:
            for each in answers:
                if each is None:
                    return channel.close()
                if each[0] != "start":
                    asked(channel)
                channel.send(*each)
            asked(channel)
        except PeerGone:
            return

    return serve


START = ("start", {}, {"0": np.ones((4, 4), "<f4")})
ROWS = np.zeros((16, 49, 16), "<f4")


@pytest.mark.parametrize(
    "error,answers",
    [
        (PeerGone, [None]),
        (PeerBroke, [("mixed", {}, {})]),
        (PeerBroke, [("built", {}, {})]),
        (PeerBroke, [("built", {"layers": 7}, {})]),
        (PeerBroke, [("built", {"layers": [[]]}, {})]),
        (PeerBroke, [("built", {"layers": [[[[-4], True]], []]}, {})]),
        (PeerBroke, [("built", {"layers": [[[[True], True]], []]}, {})]),
        (PeerBroke, [("built", {"layers": [[[[4], 1]], []]}, {})]),
        (PeerBroke, [("built", {"layers": [[[[1] * 9, True]], []]}, {})]),
        (CandidateFailure, [("built", {"layers": [[[[4000], True]], []]}, {})]),
        (CandidateFailure, [("built", {"layers": [[[[2**39, 2**39], True]], []]}, {})]),
        (CandidateFailure, [("built", {"layers": [[[[0], True]] * 1001, []]}, {})]),
        (PeerBroke, [("built", BUILT, {}), ("start", {}, {"0": np.ones((4, 5), "<f4")})]),
        (PeerBroke, [("built", BUILT, {}), ("start", {}, {"0": np.ones((4, 4), "<i4")})]),
        (PeerGone, [("built", BUILT, {}), START, START, None]),
        (PeerBroke, [("built", BUILT, {}), START, START, ("mixed", {}, {"y": ROWS[:, 1:]})]),
        (PeerBroke, [("built", BUILT, {}), START, START, ("mixed", {}, {"y": ROWS, "z": ROWS})]),
        (PeerBroke, [("built", BUILT, {}), START, START, *[("mixed", {}, {"y": ROWS})] * 2,
                     ("gradients", {}, {"x": ROWS, "0": np.ones((5, 4), "<f4")})]),
        (PeerBroke, [("built", BUILT, {}), START, START, *[("mixed", {}, {"y": ROWS})] * 2,
                     ("gradients", {}, {"x": ROWS, "1": np.ones((4, 4), "<f4")})]),
    ],
)  # fmt: skip
def test_a_program_that_breaks_the_protocol_ends_the_training(tmp_path, prepared, error, answers):
    out, _ = prepared

    def work(channel):
        loops.train(parse_settings(settings()), 1, out / "train", out / "manifest.json", tmp_path, channel, tmp_path, "cpu")

    with pytest.raises(error):
        with_program(work, scripted(*answers))
    assert not (tmp_path / "state.f32").exists()


def test_a_program_cannot_ask_for_more_steps_or_set_its_parameters(tmp_path, prepared):
    """Invariant M1: gradients move a parameter by the optimiser's rate and no further, whatever they are."""
    out, _ = prepared
    passes = [("mixed", {}, {"y": ROWS})] * 2
    huge = [("gradients", {}, {"x": ROWS, "0": np.full((4, 4), -1e30, "<f4")})] * 2
    answers = [("built", BUILT, {}), START, START, *[*passes, *huge] * 6]
    with_program(
        lambda channel: loops.train(
            parse_settings(settings()), 1, out / "train", out / "manifest.json", tmp_path, channel, tmp_path, "cpu"
        ),
        scripted(*answers),
    )
    own = [one for name, one in read_state(tmp_path)[0].items() if "mixer.values" in name]
    most = sum(loops.rate(0.01, 30, step) for step in range(1, 7))
    assert len(own) == 2 and all(float((one - 1).abs().max()) <= 1.01 * most for one in own)


def test_no_word_of_a_program_that_has_seen_hidden_rows_is_kept(tmp_path, prepared):
    source = mixer("        if not self.training: raise ValueError(f'hidden: {x.sum()}')\n        return self.p(x)")
    with pytest.raises(CandidateFailure) as caught:
        run(tmp_path, prepared, source)
    assert caught.value.reason == "crash" and "hidden:" not in caught.value.message


def write(file, value):
    file.write_text(json.dumps(value))
    return file


def verb(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "aira_design", *map(str, arguments)],
        capture_output=True, text=True, env={"PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


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
    assert (done.returncode, said["status"], said["reason"]) == (0, "failed", "invalid") and "expected" in said["message"]
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


def test_a_batch_of_the_candidates_choice_does_not_take_the_hosts_memory(tmp_path, prepared):
    out, _ = prepared
    value = settings(configurable=True)
    value["training"].update(steps=100_000)
    (tmp_path / "model.py").write_text(FULL)
    (tmp_path / "config.toml").write_text("batch = 1_600_000\nsteps = 1\n")
    done = verb("host-train", "--settings", write(tmp_path / "settings.json", value), "--seed", 1, "--train", out / "train",
                "--manifest", out / "manifest.json", "--candidate", tmp_path, "--out", tmp_path / "state")  # fmt: skip
    assert json.loads(done.stdout)["reason"] == "oom", done.stderr


def test_the_benchmarks_own_files_are_read(tmp_path):
    (tmp_path / "listops").mkdir()
    for name in ("train", "val", "test"):
        (tmp_path / "listops" / f"basic_{name}.tsv").write_text("Source\tTarget\n( ( ( [SM 9 ) 3 ) ] )\t2\n")
    assert files.read("listops", tmp_path)["validation"] == [((bytes([14, 10, 4, 15]),), 2)]
    (tmp_path / "aan").mkdir()
    for name in ("train", "eval", "test"):
        (tmp_path / "aan" / f"new_aan_pairs.{name}.tsv").write_text("1.0\ta\tb\tone \"text\t" + "x" * 20_000 + "\n")
    (documents, label), = files.read("retrieval", tmp_path)["train"]
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
