"""The autoresearch family: rows, what is served and counted, what is shown when, and the chain from prepare to score."""

import copy
import dataclasses
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import yaml
from aira_design import peer
from aira_design.autoresearch import host, lab, loops, steps
from aira_design.autoresearch.asking import ask
from aira_design.autoresearch.batches import TrainingText
from aira_design.autoresearch.rows import positions
from aira_design.autoresearch.serving import Served, serve
from aira_design.channel import Channel, ChannelError, PeerBroke, PeerGone
from aira_design.failures import CandidateFailure
from aira_design.layout import load, write_json
from aira_design.settings import ScriptBudget, parse_settings
from aira_workers.text.tokenizers import BEGIN
from conftest import REPOSITORY

TASK = REPOSITORY / "tasks" / "autoresearch"
BASELINE = (TASK / "baseline" / "train.py").read_text()


def settings(vocabulary=257, **data):
    metadata = yaml.safe_load((TASK / "metadata.yaml").read_text())
    value = copy.deepcopy(metadata["profiles"]["nano"]["rungs"]["screen"]["settings"])
    small = {
        "train_bytes": 60_000,
        "validation_rows": 50,
        "test_rows": 20,
        "length": 40,
        "asked_per_row": 16,
        "rows_at_once": 20,
    }
    value["data"].update(small, vocabulary=vocabulary, **data)
    value["probes"] = 8
    value["script"].update(tokens=6 * 8 * 40, reference_costs=0)
    return parse_settings(value)


def both(trusted, untrusted, goes_on=False):
    """Run the two ends of a channel; return what the trusted one returns, or raise what either raises.

    goes_on: the program does not end within the time that is waited for.
    """
    one, other = socket.socketpair()
    ours, theirs = peer.ProgramChannel(one, 20.0, lambda seconds: not goes_on), Channel(other, 20.0)
    problems = []

    def program():
        try:
            untrusted(theirs)
        except Exception as error:
            problems.append(error)
        finally:
            theirs.close()

    thread = threading.Thread(target=program)
    thread.start()
    try:
        found = trusted(ours)
    except PeerGone as error:
        thread.join()
        raise (problems[0] if problems else error) from None
    finally:
        ours.close()
        thread.join()
    if problems:
        raise problems[0]
    return found


def test_positions_are_drawn_per_group_and_ascend():
    data = settings().data
    found = positions(data, 50, np.random.default_rng(0))
    assert found.shape == (3, 16) and (np.diff(found, axis=1) > 0).all() and found.max() < 40
    assert not np.array_equal(found[0], found[1])
    everything = positions(settings(asked_per_row=40).data, 50, np.random.default_rng(0))
    assert (everything == np.arange(40)).all()


def text(seed):
    return TrainingText(np.arange(1, 200, dtype=np.uint16), np.array([0, 50, 120, 199]), seed, "in-order")


class TestServing:
    def serve(self, requests, tokens=1000, seconds=10.0, clock=lambda: 0.0, goes_on=False):
        """What a program gets that asks for these batches one after the other."""
        answers = []

        def program(channel):
            for rows, length in requests:
                channel.send("want", {"rows": rows, "length": length})
                answer = channel.receive(1 << 20)
                answers.append(None if answer.kind == "spent" else answer.arrays["rows"])

        budget = ScriptBudget(tokens=tokens, seconds=seconds, flops=1.0, reference_costs=0)
        served = both(lambda channel: serve(budget, text(1), channel, lambda: 0.0, 5.0, clock), program, goes_on)
        return served, answers

    def test_no_more_tokens_than_the_budget_are_served_whatever_is_asked_for(self):
        served, answers = self.serve([(10, 30)] * 5)
        assert served == Served(900, 3) and [one is not None for one in answers] == [True, True, True, False, False]
        # Once spent, a smaller request does not get the rest.
        assert self.serve([(10, 30)] * 4 + [(1, 1)] * 200)[0] == Served(900, 3)
        assert self.serve([(40, 30)])[0] == Served(0, 0)
        assert self.serve([(1, 1)] * 1200)[0] == Served(1000, 1000)

    def test_nothing_is_served_after_the_time_by_the_hosts_clock(self):
        now = [100.0]
        answers = []

        def program(channel):
            for later in (100.0, 104.0, 109.9, 110.0, 105.0):
                now[0] = later
                channel.send("want", {"rows": 1, "length": 10})
                answers.append(channel.receive(1 << 20).kind)

        budget = ScriptBudget(tokens=1000, seconds=10.0, flops=1.0, reference_costs=0)
        served = both(lambda channel: serve(budget, text(1), channel, lambda: 0.0, 5.0, lambda: now[0]), program)
        assert served == Served(30, 3) and answers == ["batch"] * 3 + ["spent"] * 2

    def test_who_hangs_up_and_goes_on_has_no_score(self):
        assert self.serve([(1, 10)])[0] == Served(10, 1)
        with pytest.raises(CandidateFailure, match=r"more than 5.0 s after its 10 s") as caught:
            self.serve([(1, 10)], goes_on=True)
        assert caught.value.reason == "over-budget"

    def test_who_goes_on_without_a_word_has_no_score(self):
        """The time of saving is over while the line is still open."""
        waits = threading.Event()

        def program(channel):
            channel.send("want", {"rows": 1, "length": 10})
            channel.receive(1 << 20)
            assert waits.wait(20.0)

        budget = ScriptBudget(tokens=1000, seconds=0.1, flops=1.0, reference_costs=0)

        def host(channel):
            try:
                return serve(budget, text(1), channel, lambda: 0.0, 0.1)
            finally:
                waits.set()

        with pytest.raises(CandidateFailure, match="went on") as caught:
            both(host, program)
        assert caught.value.reason == "over-budget"

    def test_rows_are_documents_in_an_order_that_the_seed_decides(self):
        _, [first] = self.serve([(4, 30)])
        assert np.array_equal(first, text(1).rows(4, 31)) and (first[:, 0] == BEGIN).all()
        assert not np.array_equal(first, text(2).rows(4, 31))

    @pytest.mark.parametrize(
        "fields", [{}, {"rows": 1}, {"rows": 0, "length": 1}, {"rows": -1, "length": -5}, {"rows": True, "length": 1},
                   {"rows": 1.5, "length": 2}, {"rows": 1, "length": 1, "tokens": 9}, {"rows": 1 << 40, "length": 1}],
    )  # fmt: skip
    def test_what_is_no_request_ends_the_training(self, fields):
        budget = ScriptBudget(tokens=1000, seconds=1.0, flops=1.0, reference_costs=0)
        with pytest.raises(CandidateFailure):
            both(
                lambda channel: serve(budget, text(1), channel, lambda: 0.0, 5.0),
                lambda channel: channel.send("want", fields),
            )


class TestAsking:
    ROWS = np.random.default_rng(0).integers(1, 257, (7, 31)).astype(np.uint16)
    ASKED = np.array([[2, 5, 29], [0, 1, 14]])
    AGAIN = np.array([3, 1])
    LENGTHS = np.array([0] + [1] * 256)

    def test_a_token_is_shown_only_after_it_was_answered(self):
        """A program sees of each row exactly what stands up to the position that it is asked about."""
        seen = []

        def program(channel):
            channel.send("ready")
            while (more := channel.receive(1 << 20)).kind != "done":
                seen.append((more.fields["first"], more.arrays["tokens"]))
                channel.send("answer", {}, {"logits": np.zeros((len(seen[-1][1]), 257), "<f4")})

        found = both(lambda channel: ask(self.ROWS, self.ASKED, self.AGAIN, self.LENGTHS, channel), program)
        assert [first for first, _ in seen] == [True, False, False] * 3
        assert np.array_equal(np.concatenate([one for _, one in seen[:3]], axis=1), self.ROWS[:4, :30])
        assert [one.shape for _, one in seen] == [
            (4, 3),
            (4, 3),
            (4, 24),
            (3, 1),
            (3, 1),
            (3, 13),
            (2, 3),
            (2, 3),
            (2, 24),
        ]
        assert np.array_equal(np.concatenate([one for _, one in seen[6:]], axis=1), self.ROWS[[3, 1], :30])
        assert found["val_bpb"] == pytest.approx(math.log2(257)) and found["tokens"] == 4 * 3 + 3 * 3

    def test_who_answers_before_the_question_or_something_else_is_refused(self):
        def program(messages, channel):
            for kind, tokens in messages:
                channel.send(kind, {}, {} if tokens is None else {"logits": np.zeros((4, tokens), "<f4")})
            with suppress(ChannelError):
                while True:
                    channel.receive(1 << 20)

        for messages in ([("answer", 257)], [("ready", None), ("answer", 256)], [("ready", None), ("ready", None)]):
            with pytest.raises(PeerBroke):
                both(
                    lambda channel: ask(self.ROWS, self.ASKED, self.AGAIN, self.LENGTHS, channel),
                    partial(program, messages),
                )

    def test_answers_that_were_sent_ahead_are_answers_without_the_tokens(self):
        """Sending all answers at once is allowed, and blind: nothing has been shown when they are made."""

        def blind(channel):
            channel.send("ready")
            for group in (4, 4, 4, 3, 3, 3, 2, 2, 2):
                channel.send("answer", {}, {"logits": np.zeros((group, 257), "<f4")})
            while channel.receive(1 << 20).kind != "done":
                pass

        found = both(lambda channel: ask(self.ROWS, self.ASKED, self.AGAIN, self.LENGTHS, channel), blind)
        assert found["val_bpb"] == pytest.approx(math.log2(257))

    def test_the_standard_error_is_that_of_rows(self):
        rng = np.random.default_rng(1)
        rows = rng.integers(1, 257, (400, 11)).astype(np.uint16)
        asked, table = np.arange(10)[None], rng.normal(size=257) * 2

        def program(channel):
            channel.send("ready")
            while (more := channel.receive(1 << 20)).kind != "done":
                channel.send("answer", {}, {"logits": np.tile(table, (len(more.arrays["tokens"]), 1)).astype("<f4")})

        found = both(lambda channel: ask(rows, asked, np.array([], int), self.LENGTHS, channel), program)
        bits = (np.log(np.exp(table).sum()) - table)[rows[:, 1:]] / math.log(2)
        assert found["val_bpb"] == pytest.approx(bits.mean(), rel=1e-6)
        assert found["standard_error"] == pytest.approx(bits.mean(axis=1).std() / 20, rel=0.01)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(settings(), tmp_path_factory.mktemp("prepared"))


def prepare(parsed, out):
    manifest = host.prepare(parsed, 1, b"s" * 16, None, out)
    write_json(out / "manifest.json", manifest)
    return out, manifest


def run(tmp_path, prepared, source, monkeypatch, parsed=None):
    """Train, ask and score a train.py in this process; return the metrics or raise CandidateFailure."""
    parsed = parsed or settings()
    out, _ = prepared
    candidate, state = tmp_path / "candidate", tmp_path / "state"
    for folder in (candidate, state):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (candidate / "train.py").write_text(source)
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.chdir(tmp_path)
    both(
        lambda channel: loops.train(parsed, 1, out / "train", out / "manifest.json", candidate, channel, state, "cpu"),
        lambda channel: steps.train(parsed, 1, channel, candidate, state, "cpu"),
    )
    return both(
        lambda channel: loops.predict(parsed, out / "validation", out / "manifest.json", state, channel, state, "cpu"),
        lambda channel: steps.predict(parsed, channel, candidate, state, "cpu"),
    )["metrics"]


def script(logits):
    """A script that learns nothing and answers with the expression `logits` of tokens (batch, time) and V."""
    return (
        "import torch\nfrom torch.nn import functional as F\nfrom prepare import STATE, VOCAB_SIZE as V\n"
        f"def load(folder):\n    return lambda tokens: {logits}\n"
        "if __name__ == '__main__':\n    open(STATE, 'w').write('x')\n"
    )


def test_the_baseline_learns_and_is_repeatable(tmp_path, prepared, monkeypatch):
    first = run(tmp_path, prepared, BASELINE, monkeypatch)
    assert first["val_bpb"] < math.log2(257) - 0.3 and first["tokens"] <= first["bytes"]
    assert run(tmp_path, prepared, BASELINE, monkeypatch) == first


@pytest.mark.parametrize(
    "changes", [{}, {'POSITIONS = "rotary"': 'POSITIONS = "learned"', "SHORT_CONV = 0": "SHORT_CONV = 3"}]
)
def test_a_stream_answers_as_the_whole_prefix_does(tmp_path, prepared, monkeypatch, changes):
    source = BASELINE
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    streamed = run(tmp_path, prepared, source, monkeypatch)
    assert "def stream" in source
    whole = run(tmp_path, prepared, source.replace("def stream", "def unused"), monkeypatch)
    assert streamed["val_bpb"] == pytest.approx(whole["val_bpb"], rel=1e-6)


def test_what_a_program_could_see_holds_no_hidden_row(prepared):
    out, manifest = prepared
    assert sorted(one.name for one in (out / "validation").iterdir()) == ["sizes.json"]
    assert manifest["splits"] == {"validation": {"share": 1.0}, "test": {"share": 0.4}}
    assert len(load(out / "hidden", "token_bytes")) == 257


def test_bits_per_byte_follow_their_definition(tmp_path, prepared, monkeypatch):
    even = run(tmp_path, prepared, script("torch.zeros(*tokens.shape, V)"), monkeypatch)
    assert even["val_bpb"] == pytest.approx(math.log2(257)) and even["nats_per_token"] == pytest.approx(math.log(257))
    # Pairs of bytes: fewer tokens for the same bytes, and the score is per byte.
    parsed, out = settings(300), tmp_path / "pairs"
    found = run(tmp_path, prepare(parsed, out), script("torch.zeros(*tokens.shape, V)"), monkeypatch, parsed)
    assert found["val_bpb"] == pytest.approx(found["tokens"] * math.log2(300) / found["bytes"])
    assert found["bytes"] > 1.2 * found["tokens"]


@pytest.mark.parametrize(
    "reason,words,source",
    [
        ("nan", "finite", script("torch.zeros(*tokens.shape, V) / 0")),
        ("noncausal", "asked twice", script("torch.zeros(*tokens.shape, V) + tokens.float().mean() * torch.arange(V)")),
        ("invalid", "expected logits", script("torch.zeros(*tokens.shape, V + 1)")),
        ("invalid", "expected logits", script("tokens")),
        ("invalid", "no function load", "open('state.pt', 'w').write('x')\n"),
        ("invalid", "left no state.pt", "def load(folder):\n    return 1\n"),
        ("crash", "exited with 3", "import sys\nsys.exit(3)\n"),
        ("crash", "ZeroDivisionError", "1 / 0\n"),
        ("crash", "no training data", script("0").replace("return lambda", "import prepare\n    next(prepare.make_dataloader(2))\n    return lambda")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_script_has_a_reason(tmp_path, prepared, monkeypatch, reason, words, source):
    with pytest.raises(CandidateFailure, match=words) as caught:
        run(tmp_path, prepared, source, monkeypatch)
    assert caught.value.reason == reason


def test_looking_ahead_gains_nothing(tmp_path, prepared, monkeypatch):
    """Half the mass on the token that stands where the next one would be, were the row shown whole."""
    ahead = run(tmp_path, prepared, script("F.one_hot(torch.roll(tokens, -1, 1), V).float() * 5.5"), monkeypatch)
    assert ahead["val_bpb"] > math.log2(257)


def test_a_script_may_use_less_and_is_told_how_far_it_is(tmp_path, prepared, monkeypatch):
    parsed = settings()
    model = "torch.nn.Sequential(torch.nn.Embedding(257, 8), torch.nn.Linear(8, 257))"
    source = (
        "import torch, prepare\ndef main():\n    assert prepare.TOKEN_BUDGET == 1920\n"
        f"    assert prepare.flops_per_token({model}) == 6 * 8 * 257\n"
        "    batches = prepare.make_dataloader(3, 17, tokens=200)\n    seen = []\n"
        "    for inputs, targets in batches:\n"
        "        assert inputs.shape == targets.shape == (3, 17) and (inputs[:, 0] == prepare.BOS).all()\n"
        "        assert torch.equal(inputs[:, 1:], targets[:, :-1])\n        seen.append(batches.progress())\n"
        "    assert batches.steps == 3 and seen == [0.0, 51 / 200, 102 / 200]\n"
        "    open('state.pt', 'w').write('x')\n"
        "if __name__ == '__main__':\n    main()\n"
        "def load(folder):\n    return lambda tokens: torch.zeros(*tokens.shape, 257)\n"
    )
    assert run(tmp_path, prepared, source, monkeypatch, parsed)["tokens"] > 0
    assert lab.STATE == host.STATE


def test_a_host_of_the_lab_is_not_ended_by_what_is_meant_for_the_lab(tmp_path, prepared):
    """Ctrl-C reaches the whole foreground group, and a training that is under way is to end by itself."""
    out, _ = prepared
    write_json(tmp_path / "settings.json", dataclasses.asdict(settings()))
    place = tmp_path / "socket"
    flags = {"seed": 1, "train": out / "train", "manifest": out / "manifest.json", "settings": tmp_path / "settings.json",
             "candidate": tmp_path, "out": tmp_path / "out", "socket": place}  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "aira_design",
        "host-train",
        *(f"--{name}={value}" for name, value in flags.items()),
    ]
    where = {**os.environ, "PYTHONPATH": str(REPOSITORY / "gpu-workers")}
    # A process of its own, since the host waits for its end: asks when it is told to.
    program = (
        "import socket, sys\nfrom aira_design.channel import Channel\n"
        "theirs = socket.socket(socket.AF_UNIX); theirs.connect(sys.argv[1]); print('connected', flush=True); input()\n"
        "channel = Channel(theirs, 60.0); channel.send('want', {'rows': 2, 'length': 8})\n"
        "print(channel.receive(1 << 10).arrays['rows'].shape)\n"
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=where) as started:
        assert started.stdout.readline() == f"{peer.LISTENING}\n"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", program, str(place)], text=True, env=where, **pipes) as asking:
            assert asking.stdout.readline() == "connected\n"
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                started.send_signal(number)
            assert asking.communicate("now\n", 60)[0] == "(2, 9)\n"
        told = json.loads(started.stdout.read())
    assert told["status"] == "ok" and told["served"] == {"tokens": 16, "batches": 1} and started.returncode == 0
