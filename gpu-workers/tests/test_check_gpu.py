"""The check of GPUs on CPU tensors, and what it says where there is no device."""

import subprocess
import sys

import pytest
import torch
import yaml
from conftest import PACKAGE, REPOSITORY

SCRIPT = PACKAGE / "scripts" / "check_gpu.py"
sys.path.insert(0, str(SCRIPT.parent))
import check_gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch shows a CUDA device")
def test_without_a_device_it_says_so_in_one_sentence_and_leaves_the_page_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("as it was")
    done = subprocess.run([sys.executable, SCRIPT, "--page", page], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == check_gpu.NO_DEVICE and done.stdout == ""
    assert page.read_text() == "as it was"


def test_products_are_timed_by_kind():
    found = check_gpu.products(torch.device("cpu"), 64, 0.01)
    assert set(found) == {"float32", "bfloat16"}
    assert all(speed > 0 for speed in found.values())


def test_a_step_that_cannot_be_run_in_one_way_is_a_row_with_the_reason(monkeypatch):
    def broken(_):
        raise RuntimeError("no compiler | here\nsecond line")

    monkeypatch.setattr(torch, "compile", broken, raising=False)
    steps, flops, tokens = check_gpu.scale_steps(
        torch.device("cpu"), "0.1M", ("mA", "M", "Mb"), 32, 2, 0.01, graphs=False
    )
    assert steps["plain"] > 0 and tokens == 64 and flops > 0
    rows = check_gpu.step_rows(steps, flops, tokens, 1e12)
    assert rows[1] == "| compiled | failed: RuntimeError: no compiler / here | - | - |"
    assert rows[0].startswith("| plain | ")


def test_its_parts_run_on_cpu_tensors(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function: function, raising=False)
    text = check_gpu.section(torch.device("cpu"), 60, small=True)
    assert "float32 " in text and "TFLOP/s" in text
    assert text.count("| plain |") == 1 and text.count("| compiled |") == 1


def test_a_population_that_is_too_large_is_trained_in_halves(monkeypatch):
    import bench_population
    from aira_workers.population import engine as population_engine

    train = population_engine.measure_separate_together

    def small(members, *rest):
        if len(members) > 1:
            raise RuntimeError("CUDA out of memory")
        return train(members, *rest)

    def tiny(profile, epochs):
        from aira_workers.proxies import parse_settings

        nano, whole = bench_population_settings("nano"), bench_population_settings("small")
        whole["model"].update(width=16, attention_heads=2, ffn_inner=32, ssm_inner=32, ssm_heads=2, ssm_chunk=16)
        cut = {**whole, "tasks": nano["tasks"], "train_samples": 20, "test_samples": 10, "epochs": 1, "batch": 8}
        return parse_settings({**cut, "validate_every": 1}), 1

    monkeypatch.setattr(population_engine, "measure_separate_together", small)
    monkeypatch.setattr(bench_population, "settings_of", tiny)
    said = check_gpu.halving(torch.device("cpu"), 2, None)
    assert said == "2 of 2 candidates have a score, 0 did not fit alone"


def bench_population_settings(profile):
    metadata = yaml.safe_load((REPOSITORY / "tasks" / "compose-mad-3p" / "metadata.yaml").read_text())
    return metadata["profiles"][profile]["rungs"]["screen"]["settings"]


def test_its_section_replaces_the_one_before(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{check_gpu.BEGIN}\nold\n{check_gpu.END}\nafter\n")
    check_gpu.write(page, "new")
    check_gpu.write(page, "newer")
    assert page.read_text() == f"before\n{check_gpu.BEGIN}\n\nnewer\n\n{check_gpu.END}\nafter\n"
