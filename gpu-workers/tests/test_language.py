"""The language proxy: blocks, scores on fresh and hidden text, both engines."""

import copy
import json

import numpy as np
import pytest
import torch
import yaml
from aira_workers.errors import InvalidCandidate
from aira_workers.proxies import Candidate, language, measure, parse_settings
from aira_workers.proxies.blocks import blocks
from aira_workers.text.tokenizers import BEGIN
from conftest import REPOSITORY, tokens

CPU = torch.device("cpu")
STACK = tokens("AM" * 2)


def settings(**changes):
    task = REPOSITORY / "tasks" / "compose-babistories-2p" / "metadata.yaml"
    value = copy.deepcopy(yaml.safe_load(task.read_text())["profiles"]["nano"]["rungs"]["screen"]["settings"])
    value["data"].update(length=32, validation_blocks=16, test_blocks=16)
    return parse_settings({**value, "steps": 24, "batch": 4, **changes})


def test_blocks_follow_each_other_in_the_stream_of_documents():
    narrow = blocks("stories", 200, 257, 1, "train", 12, 20)
    wide = blocks("stories", 200, 257, 1, "train", 6, 40)
    assert np.array_equal(narrow.reshape(-1), wide.reshape(-1)) and narrow[0, 0] == BEGIN
    assert not np.array_equal(narrow, blocks("stories", 200, 257, 2, "train", 12, 20))
    assert not np.array_equal(narrow, blocks("stories", 200, 257, 1, "test", 12, 20))
    pairs = blocks("stories", 200, 300, 1, "train", 4, 20)
    assert pairs.max() >= 257 and len(np.unique(pairs)) > 20


def test_a_stack_learns_and_is_scored_on_text_it_has_not_seen():
    found = measure(Candidate(STACK, 1, "test"), settings(), CPU)
    assert 1.0 < found.test < np.log(257) and 1.0 < found.validation < np.log(257)
    assert found.curve[-1][1] == pytest.approx(found.validation)
    again = measure(Candidate(STACK, 1, "validation"), settings(), CPU)
    assert again.validation == found.validation and again.test is None
    longer = measure(Candidate(STACK, 1, "validation"), settings(steps=48), CPU)
    assert longer.validation < found.validation - 0.1, "lower is better, and more training is"
    assert longer.flops == 2 * found.flops


def test_the_held_out_score_is_of_blocks_after_training():
    chosen = settings(score="held-out")
    found = measure(Candidate(STACK, 1, "validation"), chosen, CPU)
    assert found.validation != pytest.approx(found.curve[-1][1]) and found.test is None
    tested = measure(Candidate(STACK, 1, "test"), chosen, CPU)
    assert tested.validation is None and abs(tested.test - found.validation) < 0.3


def test_both_engines_agree():
    from aira_workers.native import Unavailable, open_engine

    try:
        engine = open_engine()
    except Unavailable as error:
        pytest.skip(f"no native engine here: {error}")
    one = measure(Candidate(STACK, 1, "test"), settings(), CPU)
    other = measure(Candidate(STACK, 1, "test"), settings(), CPU, engine=engine)
    assert other.validation == pytest.approx(one.validation, abs=0.01)
    assert other.test == pytest.approx(one.test, abs=0.02)


def test_the_seed_of_an_imported_corpus_varies_the_order_of_its_blocks_and_not_the_blocks(tmp_path, monkeypatch):
    folder = tmp_path / "babistories"
    folder.mkdir()
    words = np.random.default_rng(1).integers(97, 123, size=(400, 60), dtype=np.uint8)
    documents = [bytes(row).decode() for row in words]
    for part, name in enumerate(("000", "001", "002")):
        lines = documents[part * 100 : part * 100 + 200]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    monkeypatch.setenv("AIRA_DATA", str(tmp_path))
    seen: list[bytes] = []
    plain = language._question
    monkeypatch.setattr(
        language, "_question", lambda block, device: seen.append(block.tobytes()) or plain(block, device)
    )
    chosen = settings(data={**vars(settings().data), "corpus": "babistories"}, score="prequential", batch=2, steps=12)

    def batches(seed):
        seen.clear()
        measure(Candidate(STACK, seed, "validation"), chosen, CPU)
        return [np.frombuffer(each, dtype=np.int64).reshape(2, -1) for each in seen]

    first, second, again = batches(1), batches(2), batches(1)
    rows = [np.concatenate(each) for each in (first, second, again)]
    assert np.array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[1])
    as_set = lambda found: {bytes(row) for row in found}
    assert as_set(rows[0]) == as_set(rows[1]) and len(as_set(rows[0])) == 24


def test_imported_shards_are_read_and_missed_in_one_sentence(tmp_path, monkeypatch):
    data = {**vars(settings().data), "corpus": "babistories"}
    missing = settings(data=data)
    monkeypatch.setenv("AIRA_DATA", str(tmp_path))
    with pytest.raises(InvalidCandidate, match="aira data import babistories"):
        measure(Candidate(STACK, 1, "validation"), missing, CPU)
    folder = tmp_path / "babistories"
    folder.mkdir()
    for shard in range(2):
        lines = [json.dumps({"text": f"the story {number} of shard {shard} goes on and on"}) for number in range(400)]
        (folder / f"{shard}.jsonl").write_text("\n".join(lines))
    found = measure(Candidate(STACK, 1, "test"), missing, CPU)
    assert found.test < 4
    with pytest.raises(InvalidCandidate, match="fills .* blocks of 33 tokens, not 40000"):
        measure(Candidate(STACK, 1, "validation"), settings(data=data, steps=10_000), CPU)
