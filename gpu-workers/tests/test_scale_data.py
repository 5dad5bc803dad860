"""Text to token shards: tokenizers, split, hashes, and the order of training."""

import hashlib
import json

import numpy as np
import pytest
from aira_scale.data.build import build, from_folder, from_generator
from aira_scale.data.shards import TokenStream, TrainingOrder, read_index, verify
from aira_scale.data.tokenizer import SEPARATOR, Codec, byte_alphabet, bytes_tokenizer
from aira_workers.errors import InvalidCandidate

needs_tokenizers = "the Python package tokenizers is not installed"


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "texts"
    (folder / "deep").mkdir(parents=True)
    rows = [{"text": f"line {number} of the story, and what {number * 7} means"} for number in range(60)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    (folder / "deep" / "b.txt").write_text("Grüße, 世界 " * 30)
    (folder / "notes.md").write_text("not text of the corpus")
    return folder


def tokens_of(folder, split):
    index = read_index(folder)
    return np.concatenate([np.fromfile(folder / shard.file, dtype="<u4") for shard in getattr(index, split)])


def test_bytes_round_trip_and_documents_stay_whole(corpus, tmp_path):
    read, sources = from_folder(corpus)
    index = build(read, sources, "bytes", 0.2, tmp_path / "out", shard_tokens=500)
    assert len(index.train) > 2 and all(shard.tokens == 500 for shard in index.train[:-1])
    found = {}
    for split in ("train", "validation"):
        ids = tokens_of(tmp_path / "out", split)
        assert ids[0] == 256
        texts = [bytes(part[1:].astype(np.uint8)).decode() for part in np.split(ids, np.flatnonzero(ids == 256))[1:]]
        found[split] = texts
        assert len(texts) == index.documents[split]
    assert sorted(found["train"] + found["validation"]) == sorted(read())
    assert not set(found["train"]) & set(found["validation"])
    for text in found["validation"]:
        assert int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") < 0.2 * 2**64
    assert [source["file"] for source in sources] == ["a.jsonl", "deep/b.txt"]
    verify(tmp_path / "out", index)


def test_the_same_text_gives_the_same_digest_and_other_text_another(corpus, tmp_path):
    first = build(*from_folder(corpus), "bytes", 0.2, tmp_path / "one")
    assert build(*from_folder(corpus), "bytes", 0.2, tmp_path / "two").digest == first.digest
    (corpus / "deep" / "b.txt").write_text("changed")
    assert build(*from_folder(corpus), "bytes", 0.2, tmp_path / "three").digest != first.digest


def test_changed_files_are_found(corpus, tmp_path):
    index = build(*from_folder(corpus), "bytes", 0.2, tmp_path / "out")
    shard = tmp_path / "out" / index.train[0].file
    data = bytearray(shard.read_bytes())
    data[4] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InvalidCandidate, match="train-00000.bin was changed"):
        verify(tmp_path / "out", index)
    shard.write_bytes(data[:-4])
    with pytest.raises(InvalidCandidate, match="is missing or does not have"):
        TokenStream(tmp_path / "out", index.train)
    edited = json.loads((tmp_path / "out" / "index.json").read_text())
    edited["vocabulary"] += 1
    (tmp_path / "out" / "index.json").write_text(json.dumps(edited))
    with pytest.raises(InvalidCandidate, match="digest does not match"):
        read_index(tmp_path / "out")


def test_a_failed_build_leaves_nothing(corpus, tmp_path):
    (corpus / "z.jsonl").write_text('{"text": "fine"}\n{"words": "none"}\n')
    with pytest.raises(InvalidCandidate, match="z.jsonl line 2 is not an object with a text"):
        build(*from_folder(corpus), "bytes", 0.2, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts"]


@pytest.mark.parametrize(
    "tokenizer,share,message",
    [("bpe:10", 0.2, "needs N of 257"), ("nowhere.json", 0.2, "must be bytes, bpe:N"), ("bytes", 1.0, "between 0 and 1"),
     ("bytes", 1e-9, "no document fell to validation")],
)  # fmt: skip
def test_bad_requests_are_one_sentence(corpus, tmp_path, tokenizer, share, message):
    with pytest.raises(InvalidCandidate, match=message):
        build(*from_folder(corpus), tokenizer, share, tmp_path / "out")


def test_an_unpaired_surrogate_becomes_a_replacement_character(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.jsonl").write_text(
        '{"text": "odd \\ud800 mark"}\n' + '{"text": "more"}\n' * 40 + '{"text": "other"}\n'
    )
    build(*from_folder(folder), "bytes", 0.5, tmp_path / "out")
    both = b"".join(
        bytes(i.astype(np.uint8)) for i in (tokens_of(tmp_path / "out", s) for s in ("train", "validation"))
    )
    assert "odd \ufffd mark".encode() in both


def test_parquet_equals_json_lines(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="the Python package pyarrow is not installed")
    import pyarrow.parquet

    texts = [f"document {number}" for number in range(50)]
    for name in ("rows", "table"):
        (tmp_path / name).mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "table" / "a.parquet", row_group_size=7)
    one = build(*from_folder(tmp_path / "rows"), "bytes", 0.2, tmp_path / "one")
    assert build(*from_folder(tmp_path / "table"), "bytes", 0.2, tmp_path / "two").digest == one.digest


def test_a_learned_tokenizer_round_trips_and_learns_from_training_text_only(corpus, tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason=needs_tokenizers)
    index = build(*from_folder(corpus), "bpe:300", 0.2, tmp_path / "out")
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert index.vocabulary == library.get_vocab_size() <= 300
    assert index.separator == library.token_to_id(SEPARATOR)
    ids = np.concatenate([tokens_of(tmp_path / "out", "train"), tokens_of(tmp_path / "out", "validation")])
    decoded = [library.decode(list(part[1:])) for part in np.split(ids, np.flatnonzero(ids == index.separator))[1:]]
    assert sorted(decoded) == sorted(from_folder(corpus)[0]())
    given = build(*from_folder(corpus), str(tmp_path / "out" / "tokenizer.json"), 0.2, tmp_path / "given")
    assert given.digest == index.digest


def test_the_bytes_tokenizer_is_what_the_library_reads():
    tokenizers = pytest.importorskip("tokenizers", reason=needs_tokenizers)
    library = tokenizers.Tokenizer.from_str(json.dumps(bytes_tokenizer()))
    codec = Codec(json.dumps(bytes_tokenizer()))
    for text in ("plain", "Grüße\n\t 世界 \x00\x7f", " two  spaces"):
        assert library.encode(text).ids == list(text.encode()) == codec.encode(text)
        assert library.decode(library.encode(text).ids) == text
    assert library.encode(f"a{SEPARATOR}b").ids == [97, 256, 98]
    assert set(byte_alphabet()) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())


def test_sequences_cross_shards_and_epochs_visit_each_once(corpus, tmp_path):
    index = build(*from_folder(corpus), "bytes", 0.2, tmp_path / "out", shard_tokens=97)
    stream = TokenStream(tmp_path / "out", index.train)
    whole = tokens_of(tmp_path / "out", "train")
    count = stream.sequences(50)
    assert count == (len(whole) - 1) // 50
    for place in range(count):
        assert np.array_equal(stream.sequence(place, 50), whole[place * 50 : place * 50 + 51])
    order = TrainingOrder(stream, 50, 3, seed=5)
    steps = -(-2 * count // 3)
    places = [place for step in range(steps) for place in order.places(step)]
    assert sorted(places[:count]) == sorted(places[count : 2 * count]) == list(range(count))
    assert places[:count] != places[count : 2 * count]
    fresh = TrainingOrder(stream, 50, 3, seed=5)
    assert fresh.places(steps - 1) == order.places(steps - 1)
    assert TrainingOrder(stream, 50, 3, seed=6).places(0) != fresh.places(0)
    rows = np.concatenate([fresh.batch(4, 0, 1), fresh.batch(4, 1, 3)])
    assert np.array_equal(rows, fresh.batch(4, 0, 3))


def test_generated_documents_depend_on_the_seed_alone_and_answer_their_questions(tmp_path):
    one = build(*from_generator(1, 200), "bytes", 0.1, tmp_path / "one")
    assert build(*from_generator(1, 200), "bytes", 0.1, tmp_path / "two").digest == one.digest
    assert build(*from_generator(2, 200), "bytes", 0.1, tmp_path / "three").digest != one.digest
    ledgers = counts = 0
    for text in from_generator(1, 200)[0]():
        lines = text.split("\n")
        if "?" in lines[-1] and len(lines) > 1:
            ledgers += 1
            known = dict(line.split(" = ") for line in lines if "=" in line)
            assert all(known[line.split("? ")[0]] == line.split("? ")[1] for line in lines if "?" in line)
        elif text.startswith("start "):
            counts += 1
            total = int(lines[0][6:])
            for line in lines[1:]:
                sign, step, _, now = line.split(" ")
                total += int(step) if sign == "+" else -int(step)
                assert int(now) == total and 0 <= total < 100
    assert ledgers > 40 and counts > 15
