"""A compiled engine that was changed since it was compiled is never loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from aira_workers.native.build import Unavailable
from aira_workers.worker.enginecache import verify
from conftest import PACKAGE


class Compiler:
    """Compiles in no time, and counts."""

    def __init__(self, cache):
        self.path = cache / "key" / "name.so"
        self.compiled = 0
        self.there = True

    def __call__(self):
        if not self.path.exists():
            if not self.there:
                raise Unavailable("there is no C++ compiler")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(b"a library")
            self.compiled += 1
        return self.path


def append(path):
    with path.open("ab") as file:
        file.write(b"0")


HARMS = [
    (append, "is not what was compiled"),
    (lambda path: path.with_suffix(".sha256").unlink(), "has no recorded hash"),
    (lambda path: path.with_suffix(".sha256").write_bytes(b"\xff"), "has no recorded hash"),
    (lambda path: path.chmod(0o777), "can be written by others"),
]


@pytest.mark.parametrize(("harm", "fault"), HARMS)
def test_what_was_changed_is_compiled_anew_with_one_line(harm, fault, tmp_path, capsys):
    compiler = Compiler(tmp_path)
    for _ in range(2):
        assert verify(tmp_path, compiler) == compiler.path
    assert compiler.compiled == 1 and capsys.readouterr().err == ""
    harm(compiler.path)
    verify(tmp_path, compiler)
    assert compiler.path.read_bytes() == b"a library" and compiler.compiled == 2
    line = f"aira_workers: the compiled engine {compiler.path} is not loaded, because it {fault}\n"
    assert capsys.readouterr().err == line
    verify(tmp_path, compiler)
    assert compiler.compiled == 2 and capsys.readouterr().err == ""


@pytest.mark.parametrize(("harm", "fault"), HARMS)
def test_without_a_compiler_it_is_not_loaded_either(harm, fault, tmp_path):
    compiler = Compiler(tmp_path)
    verify(tmp_path, compiler)
    harm(compiler.path)
    compiler.there = False
    with pytest.raises(Unavailable, match="there is no C"):
        verify(tmp_path, compiler)


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written: Not a directory"):
        verify(tmp_path / "file" / "engine", Compiler(tmp_path))


def test_set_up_and_workers_open_the_engine_by_way_of_the_check(tmp_path):
    """A foreign file in the cache is reported and not loaded; this test compiles nothing."""
    found = subprocess.run(
        [sys.executable, "-c", FOREIGN.format(cache=str(tmp_path))],
        env={"PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1", "PATH": "", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["engine"] == "torch"
    assert "is not loaded, because it has no recorded hash" in found.stderr
    assert not list(Path(tmp_path).rglob("*.so"))


FOREIGN = """
from pathlib import Path
from aira_workers.native import build
flags = [*build.FLAGS, *build.best_variant(build.cpu_flags()).flags]
planted = Path({cache!r}) / "aira" / "engine" / build._key(flags) / "planted.so"
planted.parent.mkdir(parents=True)
planted.write_bytes(b"not a library")
from aira_workers.__main__ import check_engine
raise SystemExit(check_engine())
"""
