"""The evaluator version changes exactly when a file that decides a score does."""

import hashlib
import shutil

import aira_workers
from aira_workers.version import evaluator_version
from conftest import PACKAGE

SOURCE = PACKAGE / "aira_workers"


def test_equals_an_independent_reading_of_the_rule():
    names = [
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        if file.relative_to(SOURCE).parts[0] in {"primitives", "mad", "proxies", "optim", "text", "model.py"}
    ]
    text = b"".join(name.encode() + b"\0" + (SOURCE / name).read_bytes() + b"\0" for name in sorted(names))
    assert evaluator_version("torch") == "torch-" + hashlib.sha256(text).hexdigest()[:12]
    assert aira_workers.__file__ == str(SOURCE / "__init__.py")


def test_changes_with_the_arithmetic_and_not_with_the_door(tmp_path):
    copy = tmp_path / "aira_workers"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    original = evaluator_version("torch", copy)
    assert original == evaluator_version("torch")
    (copy / "worker" / "events.py").write_text("# other\n")
    (copy / "mad" / "notes.txt").write_text("not code")
    assert evaluator_version("torch", copy) == original
    with (copy / "mad" / "metric.py").open("a") as file:
        file.write("\n")
    changed = evaluator_version("torch", copy)
    assert changed != original
    (copy / "optim" / "extra.py").write_text("")
    assert evaluator_version("torch", copy) not in (original, changed)


def test_the_native_version_covers_the_compiled_sources_and_what_drives_them(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "aira_workers", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE / "engine", tmp_path / "engine")
    copy = tmp_path / "aira_workers"
    native, plain = evaluator_version("native", copy), evaluator_version("torch", copy)
    assert native == evaluator_version("native") and native.startswith("native-") and native[7:] != plain[6:]
    for file in (tmp_path / "engine" / "norm.hpp", tmp_path / "engine" / "interface.cpp", copy / "native" / "build.py"):
        with file.open("a") as end:
            end.write("\n")
        native, before = evaluator_version("native", copy), native
        assert native != before and evaluator_version("torch", copy) == plain


def test_the_population_version_covers_its_own_sources(tmp_path):
    copy = tmp_path / "aira_workers"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = evaluator_version("population", copy)
    assert before == evaluator_version("population") and before.startswith("population-")
    with (copy / "population" / "layers.py").open("a") as end:
        end.write("\n")
    assert evaluator_version("population", copy) != before
    assert evaluator_version("torch", copy) == evaluator_version("torch")
