"""The zero-shot formulas: against hand-made figures, and against lm-evaluation-harness on an exported directory where installed."""

import json
import subprocess
import sys

import pytest
import torch
from aira_scale.data.tokenizer import Codec, bytes_tokenizer
from aira_scale.export.write import load_trained
from aira_scale.zeroshot.scorer import Scored, encode_pair, log_probability, score
from aira_scale.zeroshot.tasks import Item, item_of
from aira_workers.errors import InvalidCandidate
from conftest import tokens
from scale_jobs import environment
from test_scale_export import trained

ROWS = {
    "arc_easy": {"question": "What melts?", "choices": {"text": ["a stone", "ice"], "label": ["A", "B"]}, "answerKey": "B"},
    "hellaswag": {
        "activity_label": "Baking", "ctx_a": "A man stirs [step] flour.", "ctx_b": "the man",
        "endings": [" bakes bread [title] now.", "flies", "sings", "swims"], "label": "0",
    },
    "piqa": {"goal": "cut paper", "sol1": "use scissors", "sol2": "use soup", "label": 0},
    "sciq": {
        "support": "  Plants make sugar.", "question": "Who makes sugar?", "distractor1": "rocks", "distractor2": "cars",
        "distractor3": "rain", "correct_answer": "plants",
    },
    "winogrande": {"sentence": "Ann thanked Bea because _ helped.", "option1": "Ann", "option2": "Bea", "answer": "2"},
}  # fmt: skip


def codec():
    return Codec(json.dumps(bytes_tokenizer()))


def test_rows_become_the_published_prompts():
    arc = item_of("arc_easy", ROWS["arc_easy"])
    assert (arc.contexts[0], arc.continuations, arc.gold) == ("Question: What melts?\nAnswer:", [" a stone", " ice"], 1)
    hellaswag = item_of("hellaswag", ROWS["hellaswag"])
    assert hellaswag.contexts[0] == "Baking: A man stirs flour. The man" and hellaswag.gold == 0
    assert hellaswag.continuations[0] == " bakes bread. now." and hellaswag.choices[1] == "flies"
    piqa = item_of("piqa", ROWS["piqa"])
    assert (piqa.contexts[1], piqa.continuations[1]) == ("Question: cut paper\nAnswer:", " use soup")
    sciq = item_of("sciq", ROWS["sciq"])
    assert sciq.contexts[0] == "Plants make sugar.\nQuestion: Who makes sugar?\nAnswer:"
    assert (sciq.gold, sciq.choices[3]) == (3, "plants")
    wino = item_of("winogrande", ROWS["winogrande"])
    assert wino.contexts == ["Ann thanked Bea because Ann", "Ann thanked Bea because Bea"]
    assert wino.continuations == [" helped."] * 2 and wino.gold == 1


def test_rows_that_do_not_fit_are_named():
    with pytest.raises(InvalidCandidate, match="piqa: the row does not fit the data set: KeyError 'goal'"):
        item_of("piqa", {})
    with pytest.raises(InvalidCandidate, match="right answer 7 is none of 2"):
        item_of("piqa", {**ROWS["piqa"], "label": 7})


def test_spaces_at_the_end_of_a_context_move_and_an_empty_one_is_the_separator():
    assert encode_pair(codec(), "ab  ", "c") == (list(b"ab"), list(b"  c"))
    assert encode_pair(codec(), "", "c") == ([256], [99])


def test_log_probability_is_the_sum_over_the_continuation(tmp_path):
    _, model = load_trained(trained(tmp_path / "model", "llama", tokens("BAM")))
    sums = log_probability(model, codec(), "Question: x\nAnswer:", " yes", 64)
    ids = list(b"Question: x\nAnswer: yes")
    expected = 0.0
    with torch.no_grad():
        for place in range(len(ids) - 4, len(ids)):
            expected += model(torch.tensor([ids[:place]]))[0, -1].log_softmax(-1)[ids[place]].item()
    assert sums == pytest.approx(expected, abs=1e-3)
    with torch.no_grad():
        cut = model(torch.tensor([ids[-7:-1]]))[0].log_softmax(-1)
    assert log_probability(model, codec(), "Question: x\nAnswer:", " yes", 6) == pytest.approx(
        sum(cut[place, ids[place - 6]].item() for place in range(2, 6)), abs=1e-4
    )


def test_both_accuracies_follow_their_rule(monkeypatch):
    from aira_scale.zeroshot import scorer

    given = iter([-10.0, -12.0])
    monkeypatch.setattr(scorer, "log_probability", lambda *_: next(given))
    item = Item(["c", "c"], [" ab", " abcdef"], ["ab", "abcdef"], 1)
    assert score(None, None, item, 8) == Scored([-10.0, -12.0], 0, 1)


def test_the_command_scores_files(tmp_path):
    source = trained(tmp_path / "model", "llama", tokens("AM"))
    command = [sys.executable, "-m", "aira_scale", "score", "--model", str(source), "--data", str(tmp_path)]
    for task in ("piqa", "winogrande"):
        (tmp_path / f"{task}.jsonl").write_text((json.dumps(ROWS[task]) + "\n") * 3)
        command += ["--items", f"{task}={tmp_path}/{task}.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    piqa, winogrande = (json.loads(line) for line in done.stdout.splitlines())
    assert (piqa["task"], winogrande["task"]) == ("piqa", "winogrande")
    assert winogrande["items"] == 3 and winogrande["accNorm"] is None
    assert winogrande["acc"] == sum(winogrande["correct"]) / 3
    # A mistake in the last file is found before the first is scored.
    (tmp_path / "winogrande.jsonl").write_text("{}\n")
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (1, "") and "winogrande.jsonl line 1: winogrande" in done.stderr
    unknown = [*command[:-4], "--items", "chess=x"]
    done = subprocess.run(unknown, capture_output=True, text=True, env=environment())
    assert done.returncode == 1 and "there is no zero-shot task chess; there are arc_challenge, " in done.stderr


def test_the_harness_gives_the_same_log_probabilities_on_the_export(tmp_path):
    for name in ("lm_eval", "accelerate", "transformers", "safetensors"):
        pytest.importorskip(name, reason=f"the Python package {name} is not installed")
    from aira_scale.export.write import export
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    source = trained(tmp_path / "model", "nemotron", tokens("BMAM"))
    export(source, tmp_path / "tokenizer.json", tmp_path / "out", "auto", 256, {})
    harness = HFLM(pretrained=str(tmp_path / "out"), device="cpu", dtype="float32", batch_size=1)
    _, model = load_trained(source)
    pairs = [
        pair
        for task, row in ROWS.items()
        for pair in zip(*(lambda i: (i.contexts, i.continuations))(item_of(task, row)))
    ]
    requests = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(pairs)]
    theirs = [value for value, _ in harness.loglikelihood(requests)]
    ours = [log_probability(model, codec(), *pair, 256) for pair in pairs]
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-2)
