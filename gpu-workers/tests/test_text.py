"""Tokenizers, the generator of documents, and imported shards."""

import json
from collections import Counter

import numpy as np
import pytest
from aira_workers.text import shards, stories
from aira_workers.text.tokenizers import _WORD, BEGIN, BYTES, Tokenizer, learn


def documents(seed, count):
    found = stories.documents(np.random.default_rng(seed), 400)
    return [next(found).encode() for _ in range(count)]


def naive(texts, vocabulary):
    """The same merges, counting everything again each time."""
    words = Counter(word for one in texts for word in _WORD.findall(one))
    ids = {word: [value + 1 for value in word] for word in words}
    merges = []
    while len(merges) < vocabulary - BYTES:
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(ids[word], ids[word][1:]):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        token = BYTES + len(merges)
        merges.append(best)
        for word, old in ids.items():
            new, place = [], 0
            while place < len(old):
                if tuple(old[place : place + 2]) == best:
                    new.append(token)
                    place += 2
                else:
                    new.append(old[place])
                    place += 1
            ids[word] = new
    return merges


def test_learned_pairs_are_those_of_the_definition():
    texts = [*documents(1, 12), b"aaaa aaa aaaaaaa banana bananas"]
    found = learn(texts, 330)
    assert found.merges == naive(texts, 330) and found.vocabulary == 330


@pytest.mark.parametrize("vocabulary", [257, 330])
def test_text_comes_back(vocabulary):
    tokens = learn(documents(1, 12), vocabulary)
    for text in [*documents(2, 5), "Ünïcode 12345 … \n\n  x".encode(), b"", bytes(range(256))]:
        ids = tokens.encode(text)
        assert tokens.decode(ids) == text and BEGIN not in ids
        assert tokens.token_bytes()[ids].sum() == len(text)
    if vocabulary > 257:
        text = documents(2, 1)[0]
        assert len(tokens.encode(text)) < 0.7 * len(text)
        assert Tokenizer(json.loads(json.dumps(tokens.merges))).encode(text).tolist() == tokens.encode(text).tolist()


def test_documents_repeat_their_names_and_are_drawn_from_the_seed():
    assert documents(5, 3) == documents(5, 3) != documents(6, 3)
    for one in documents(7, 20):
        text = one.decode()
        first, second = text.split(" met at the ")[0].split(" and ")
        assert text.count(first) + text.count(second) > 2 or len(text) < 120
        assert text[-1] in '."' and 60 < len(text) < 600


def test_shards_are_split_by_their_last_file(tmp_path):
    folder = tmp_path / "some-text"
    folder.mkdir()
    for shard in range(3):
        lines = [json.dumps({"text": f"shard {shard} line {line}"}) for line in range(50)]
        (folder / f"{shard}.jsonl").write_text("\n".join(lines) + "\n")
    found = {split: list(shards.documents(tmp_path, "some-text", split)) for split in ("train", "validation", "test")}
    assert len(found["train"]) == 100 and not any(b"shard 2" in one for one in found["train"])
    assert len(found["validation"]) + len(found["test"]) == 50 and not set(found["validation"]) & set(found["test"])
    assert min(map(len, found.values())) > 10

    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "all.jsonl").write_text("\n".join(json.dumps({"text": f"line {line}"}) for line in range(400)))
    found = {split: list(shards.documents(tmp_path, "alone", split)) for split in ("train", "validation", "test")}
    assert sum(map(len, found.values())) == 400 and len(found["train"]) > 340 and found["test"] and found["validation"]

    with pytest.raises(FileNotFoundError, match="aira data import nothing"):
        next(shards.documents(tmp_path, "nothing", "train"))
    (alone / "all.jsonl").write_text('{"txt": 1}\n')
    with pytest.raises(ValueError, match="line 1 is not an object with a text"):
        list(shards.documents(tmp_path, "alone", "train"))
