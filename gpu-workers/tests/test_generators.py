"""The six generators produce what MAD describes; each property is checked by reading the sequences back."""

import numpy as np
import pytest
from aira_workers.mad import IGNORE, TASK_NAMES, TaskSizes, generate
from aira_workers.mad.compression import compression
from aira_workers.mad.fuzzy_recall import fuzzy_recall
from aira_workers.mad.memorization import memorization, memorization_pairs
from aira_workers.mad.noisy_recall import noisy_recall
from aira_workers.mad.recall import recall
from aira_workers.mad.selective_copying import selective_copying
from aira_workers.strict import parse


def rng(seed=0):
    return np.random.default_rng(seed)


PLAIN = dict(vocabulary=16, length=128, noise_vocabulary=0, noise=0.0)
NOISY = dict(vocabulary=32, length=128, noise_vocabulary=16, noise=0.2)


@pytest.mark.parametrize("make,sizes", [(recall, PLAIN), (noisy_recall, NOISY)])
def test_recall_targets_are_the_values_of_keys_seen_before(make, sizes):
    inputs, targets = make(rng(), 50, targets="recall", **sizes)
    full_inputs, full_targets = make(rng(), 50, targets="next", **sizes)
    assert inputs.shape == targets.shape == (50, 127)
    assert np.array_equal(inputs, full_inputs)
    assert np.array_equal(full_inputs[:, 1:], full_targets[:, :-1])
    for row in range(50):
        sequence = np.append(inputs[row], full_targets[row, -1])
        bound = {}
        for slot in range(64):
            key, value = sequence[2 * slot : 2 * slot + 2]
            noise = key >= 16
            assert (value >= 16) == noise
            expected = IGNORE
            if not noise:
                assert key < 8 <= value < 16
                expected = value if key in bound else IGNORE
                assert bound.setdefault(key, value) == value
            assert targets[row, 2 * slot] == expected
            if slot > 0:
                assert targets[row, 2 * slot - 1] == IGNORE
        assert targets[row, -1] != IGNORE


def test_noise_share_and_reserved_slot():
    inputs, _ = noisy_recall(rng(), 400, targets="recall", **NOISY)
    noisy = inputs[:, 0:126:2] >= 16
    assert abs(noisy.mean() - 0.2 * 62 / 63) < 0.01
    assert (inputs[:, 126] < 8).all()
    loud, _ = noisy_recall(rng(), 400, targets="recall", **{**NOISY, "noise": 0.999})
    # However loud, the reserved slot holds one pair that the last slot can ask for.
    assert ((loud[:, 0:126:2] < 16).sum(1) >= 1).all()


def test_last_key_is_uniform_among_those_seen():
    inputs, _ = recall(rng(1), 4000, targets="recall", **PLAIN)
    share = np.bincount(inputs[:, -1], minlength=8) / 4000
    assert np.abs(share - 1 / 8).max() < 0.025


@pytest.mark.parametrize("vocabulary,length,motif", [(16, 128, 3), (9, 32, 2)])
@pytest.mark.parametrize("test", [False, True])
def test_fuzzy_recall_binds_each_key_motif_to_one_value_motif(vocabulary, length, motif, test):
    sizes = dict(vocabulary=vocabulary, length=length, motif=motif, test=test)
    inputs, targets = fuzzy_recall(rng(), 60, targets="recall", **sizes)
    full_inputs, full_targets = fuzzy_recall(rng(), 60, targets="next", **sizes)
    assert inputs.shape == targets.shape == (60, length)
    assert np.array_equal(inputs, full_inputs)
    assert np.array_equal(inputs[:, 1:], full_targets[:, :-1])
    keys, pad, sizes_seen = (vocabulary - 1) // 2, vocabulary - 1, set()
    for row in range(60):
        sequence = np.append(inputs[row], full_targets[row, -1]).tolist()
        wanted = [IGNORE] + targets[row].tolist()
        at = next(index for index, token in enumerate(sequence) if token != pad)
        assert at <= 4 * motif + 1
        bound, repeated_last = {}, False
        while at < len(sequence):
            end_key = at
            while sequence[end_key] < keys:
                end_key += 1
            end_value = end_key
            while end_value < len(sequence) and keys <= sequence[end_value] < pad:
                end_value += 1
            key, value = tuple(sequence[at:end_key]), tuple(sequence[end_key:end_value])
            assert 1 <= len(value) <= motif and len(set(key)) == len(key) and len(set(value)) == len(value)
            assert len(key) == motif if test else 1 <= len(key) <= motif
            sizes_seen.add((len(key), len(value)))
            repeated_last = key in bound
            answer = list(value) if repeated_last else [IGNORE] * len(value)
            assert wanted[at:end_value] == [IGNORE] * len(key) + answer
            assert bound.setdefault(key, value) == value
            at = end_value
        assert repeated_last
    assert len(sizes_seen) == (motif if test else motif**2)


def test_memorization_pairs_are_fixed_and_never_shown():
    inputs, targets = memorization(rng(), 200, vocabulary=256, length=32)
    pairs = memorization_pairs(256)
    assert len(pairs) == 127 and len(set(pairs)) == 127 and pairs.min() >= 127 and pairs.max() <= 254
    assert (inputs[:, 1::2] == 255).all() and inputs[:, 0::2].max() < 127
    assert (targets[:, 0::2] == IGNORE).all()
    assert np.array_equal(targets[:, 1::2], pairs[inputs[:, 0::2]])
    assert not np.isin(inputs, pairs).any()
    assert len(memorization_pairs(64)) == 31


def test_compression_target_is_the_whole_input():
    inputs, targets = compression(rng(), 300, vocabulary=16, length=32)
    assert np.array_equal(inputs, targets)
    assert (inputs[:, -1] == 15).all() and set(np.unique(inputs[:, :-1])) == set(range(15))


@pytest.mark.parametrize("length,copies", [(256, 16), (32, 6), (13, 6)])
def test_selective_copying_repeats_the_content_in_order(length, copies):
    inputs, targets = selective_copying(rng(), 200, vocabulary=16, length=length, copies=copies)
    first = length - copies - 1
    assert (inputs[:, first] == 15).all() and (inputs[:, first + 1 :] == 14).all()
    assert (targets[:, :-copies] == IGNORE).all()
    assert (inputs[:, first - 1] < 14).all(), "no blank may follow the last content token"
    for row in range(200):
        content = inputs[row, :first][inputs[row, :first] < 14]
        assert np.array_equal(content, targets[row, -copies:])
    if length == 256:
        places = (inputs[:, :first] < 14).argmax(1)
        assert len(np.unique(places)) > 10


@pytest.mark.parametrize(
    "call",
    [
        lambda: recall(rng(), 1, vocabulary=16, length=7, noise_vocabulary=0, noise=0.0, targets="next"),
        lambda: noisy_recall(rng(), 1, vocabulary=16, length=8, noise_vocabulary=0, noise=0.2, targets="next"),
        lambda: fuzzy_recall(rng(), 1, vocabulary=5, length=32, motif=3, test=False, targets="next"),
        lambda: memorization(rng(), 1, vocabulary=64, length=5),
        lambda: compression(rng(), 1, vocabulary=2, length=5),
        lambda: selective_copying(rng(), 1, vocabulary=16, length=12, copies=6),
    ],
)
def test_impossible_sizes_are_refused(call):
    with pytest.raises(ValueError):
        call()


@pytest.mark.parametrize("name", TASK_NAMES)
def test_data_sets_are_pure_functions_of_seed_and_split(name, metadata):
    sizes = getattr(parse(TaskSizes, metadata["profiles"]["nano"]["rungs"]["screen"]["settings"]["tasks"]), name)
    first = generate(name, sizes, 3, "train", 64, "recall")
    generate.cache_clear()
    again = generate(name, sizes, 3, "train", 64, "recall")
    assert first is not again
    assert np.array_equal(first.inputs, again.inputs) and np.array_equal(first.targets, again.targets)
    for seed, split in ((4, "train"), (3, "test")):
        assert not np.array_equal(first.inputs, generate(name, sizes, seed, split, 64, "recall").inputs)
    with pytest.raises(ValueError):
        first.inputs[0, 0] = 1


@pytest.mark.parametrize("name", [name for name in TASK_NAMES if name != "memorization"])
def test_published_sizes_do_not_leak_training_sequences_into_the_test(name, metadata):
    sizes = getattr(parse(TaskSizes, metadata["profiles"]["paper"]["rungs"]["final"]["settings"]["tasks"]), name)
    train = generate(name, sizes, 0, "train", 800, "recall").inputs
    test = generate(name, sizes, 0, "test", 1280, "recall").inputs
    known = {row.tobytes() for row in train}
    assert sum(row.tobytes() in known for row in test) <= 1  # at most 0.1 %
