"""The two ends of a Long Range Arena run: what the host computes, what a program can and cannot do to it."""

import json
import os

import numpy as np
import pytest
import torch
from aira_design.candidate import import_file
from aira_design.channel import PeerBroke, PeerGone
from aira_design.failures import CandidateFailure
from aira_design.layout import read_json
from aira_design.lra import host, loops
from aira_design.lra.encoder import Encoder
from aira_design.settings import parse_settings
from aira_design.state import read_state
from lra_chain import FULL, mixer, prepared, run, settings, verb, with_program, write  # noqa: F401 - prepared is a fixture


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
        optimiser.param_groups[0]["lr"] = loops.rate(parsed.training.learning_rate, parsed.training.warmup, step)
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
    record = read_json(state / "state.json")
    assert set(record) == {"seed", "tensors"} and "carried" not in json.dumps(record)
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
        loops.train(
            parse_settings(settings()), 1, out / "train", out / "manifest.json", tmp_path, channel, tmp_path, "cpu"
        )

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
    chosen = parse_settings(settings()).training
    most = sum(loops.rate(chosen.learning_rate, chosen.warmup, step) for step in range(1, 7))
    assert len(own) == 2 and all(float((one - 1).abs().max()) <= 1.01 * most for one in own)


def test_no_word_of_a_program_that_has_seen_hidden_rows_is_kept(tmp_path, prepared):
    source = mixer("        if not self.training: raise ValueError(f'hidden: {x.sum()}')\n        return self.p(x)")
    with pytest.raises(CandidateFailure) as caught:
        run(tmp_path, prepared, source)
    assert caught.value.reason == "crash" and "hidden:" not in caught.value.message


def test_a_batch_of_the_candidates_choice_does_not_take_the_hosts_memory(tmp_path, prepared):
    out, _ = prepared
    value = settings(configurable=True)
    value["training"].update(steps=100_000)
    (tmp_path / "model.py").write_text(FULL)
    (tmp_path / "config.toml").write_text("batch = 1_600_000\nsteps = 1\n")
    done = verb("host-train", "--settings", write(tmp_path / "settings.json", value), "--seed", 1, "--train", out / "train",
                "--manifest", out / "manifest.json", "--candidate", tmp_path, "--out", tmp_path / "state")  # fmt: skip
    assert json.loads(done.stdout)["reason"] == "oom", done.stderr
