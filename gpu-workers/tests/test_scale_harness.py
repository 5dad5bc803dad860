"""lm-evaluation-harness runs a task of our own items on an exported directory, and agrees with the twin item by item."""

import json

import pytest
from aira_scale.commands.score import score_file
from conftest import tokens
from test_scale_export import trained

ROWS = [
    {"goal": goal, "sol1": first, "sol2": second, "label": label}
    for goal, first, second, label in (
        ("cut paper", "use scissors", "use a spoon full of soup", 0),
        ("boil an egg", "put it into ice", "put it into hot water", 1),
        ("dry a shirt", "hang it in the sun", "dip it", 0),
        ("open a door", "sing", "turn the handle", 1),
        ("light a room", "switch on the lamp", "close the curtains at noon", 0),
        ("sharpen a pencil", "boil it", "turn it in a sharpener", 1),
    )
]
TASK = """
task: aira_items
dataset_path: json
dataset_kwargs: {data_files: {validation: FILE}}
validation_split: validation
output_type: multiple_choice
doc_to_text: "Question: {{goal}}\\nAnswer:"
doc_to_target: label
doc_to_choice: "{{[sol1, sol2]}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
"""


def test_the_harness_and_the_twin_have_the_same_accuracies(tmp_path, monkeypatch):
    for name in ("lm_eval", "accelerate", "datasets", "transformers", "safetensors"):
        pytest.importorskip(name, reason=f"the Python package {name} is not installed")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import lm_eval
    from aira_scale.export.write import export
    from lm_eval.tasks import TaskManager

    source = trained(tmp_path / "model", "nemotron", tokens("BMAM"))
    export(source, tmp_path / "tokenizer.json", tmp_path / "out", "auto", 256, {})
    items = tmp_path / "items.jsonl"
    items.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "aira_items.yaml").write_text(TASK.replace("FILE", str(items)))
    found = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(tmp_path / "out"), "dtype": "float32"},
        tasks=["aira_items"],
        task_manager=TaskManager(include_path=str(tmp_path / "tasks"), include_defaults=False),
        device="cpu",
        bootstrap_iters=0,
    )
    ours = score_file(source, tmp_path, "piqa", items, 256)
    theirs = found["results"]["aira_items"]
    assert ours["acc"] == theirs["acc,none"] and ours["accNorm"] == theirs["acc_norm,none"]
    samples = sorted(found["samples"]["aira_items"], key=lambda sample: sample["doc_id"])
    assert [sample["acc"] for sample in samples] == ours["correct"]
    # The items are not all right or all wrong, so that agreement means something.
    assert 0 < sum(ours["correct"]) < len(ROWS)
