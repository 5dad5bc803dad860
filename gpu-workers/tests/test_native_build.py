"""Finding, compiling, proving and refusing the native engine; its memory under sanitizers and in a step."""

import dataclasses
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from aira_workers.native import build, open_engine
from aira_workers.native.binding import load
from aira_workers.native.build import (
    ROUNDING,
    VARIANTS,
    Unavailable,
    best_variant,
    cpu_flags,
    find_compiler,
    library,
    rounding_variant,
)
from aira_workers.primitives import PRIMITIVES
from aira_workers.version import evaluator_version
from conftest import PACKAGE, Worker

FLAGS = cpu_flags()
RUNNABLE = [variant for variant in VARIANTS if set(variant.cpu_flags) <= FLAGS]
ROUNDED = [ROUNDING] if set(ROUNDING.cpu_flags) <= FLAGS else []
needs_vectors = pytest.mark.skipif(not RUNNABLE, reason="the processor has neither AVX-512 nor AVX2")


def run_python(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_widest_vectors_that_the_processor_has_are_chosen():
    every = {flag for variant in VARIANTS for flag in variant.cpu_flags}
    assert best_variant(every, "x86_64").lanes == 16
    assert best_variant(every - {"avx512dq"}, "x86_64").lanes == 8
    for flags, machine in ((every - {"fma"} - {"avx512f"}, "x86_64"), (set(), "x86_64"), (every, "aarch64")):
        with pytest.raises(Unavailable, match="neither AVX-512 nor AVX2"):
            best_variant(flags, machine)


def test_bfloat16_products_are_refused_in_one_line_where_the_processor_has_none():
    assert rounding_variant(set(ROUNDING.cpu_flags)) == ROUNDING
    for missing in ("avx512_bf16", "avx512vl"):
        with pytest.raises(Unavailable, match=r"no bfloat16 products \(AVX-512 BF16\)$"):
            rounding_variant(set(ROUNDING.cpu_flags) - {missing})


@pytest.mark.skipif(not ROUNDED, reason="the processor has no bfloat16 products")
def test_the_rounding_engine_is_asked_for_by_name_and_has_a_version_of_its_own():
    worker = Worker("--device", "cpu", "--engine", "native-bf16")
    hello = worker.read()
    assert worker.close()[0] == 0
    assert (hello["engine"], hello["evaluator"]) == ("native-bf16", evaluator_version("native-bf16"))
    assert hello["evaluator"].startswith("native-bf16-")
    plain = library(best_variant(FLAGS))
    with pytest.raises(Unavailable, match="another precision"):
        load(plain, 16, rounds=True)


def test_flags_of_an_unreadable_or_foreign_cpuinfo_are_none(tmp_path):
    assert cpu_flags(tmp_path / "none") == set()
    (tmp_path / "arm").write_text("processor : 0\nFeatures : fp asimd\n")
    assert cpu_flags(tmp_path / "arm") == set()


def test_compiler_is_cxx_then_the_path(tmp_path):
    for name in ("g++", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert find_compiler({"PATH": str(tmp_path)}) == str(tmp_path / "g++")
    assert find_compiler({"PATH": str(tmp_path), "CXX": "mine"}) == str(tmp_path / "mine")
    with pytest.raises(Unavailable, match="no C\\+\\+ compiler"):
        find_compiler({"PATH": str(tmp_path / "empty")})


@needs_vectors
def test_it_is_compiled_once_even_by_two_at_once_and_serves_without_the_compiler(tmp_path, monkeypatch):
    compiled = []
    real = build._compile
    monkeypatch.setattr(build, "_compile", lambda *given: (compiled.append(given), real(*given)))
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(library(RUNNABLE[0], cache=tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths[0] == paths[1] and paths[0].exists()
    before = len(compiled)
    assert library(RUNNABLE[0], cache=tmp_path) == paths[0] and len(compiled) == before
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [paths[0]]
    monkeypatch.setattr(build, "_COMPILERS", ())
    monkeypatch.delenv("CXX", raising=False)
    assert library(RUNNABLE[0], cache=tmp_path) == paths[0]


@needs_vectors
def test_changed_sources_and_another_compiler_are_compiled_anew(tmp_path, monkeypatch):
    copied = tmp_path / "engine"
    copied.mkdir()
    for file in build.source_files():
        (copied / file.name).write_bytes(file.read_bytes())
    names = [build._key(("-O3",))]
    monkeypatch.setattr(build, "source_files", lambda: sorted(copied.iterdir()))
    names.append(build._key(("-O3",)))
    names.append(build._key(("-O2",)))
    with (copied / "norm.hpp").open("a") as file:
        file.write("// changed\n")
    names.append(build._key(("-O3",)))
    assert names[0] == names[1] and len(set(names)) == 3


@needs_vectors
def test_a_compiler_that_fails_and_a_folder_that_cannot_be_written_are_one_clear_line(tmp_path, monkeypatch):
    bad = tmp_path / "bad"
    bad.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "x.cpp:1: error: no such standard" >&2\nexit 1\n')
    bad.chmod(0o755)
    monkeypatch.setenv("CXX", str(bad))
    with pytest.raises(Unavailable, match="does not compile the engine: x.cpp:1: error: no such standard"):
        library(RUNNABLE[0], cache=tmp_path / "cache")
    monkeypatch.delenv("CXX")
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        library(RUNNABLE[0], cache=tmp_path / "file")


@needs_vectors
def test_a_library_that_computes_wrongly_is_refused(tmp_path, monkeypatch):
    """A fault of compiler or processor, played by a source with one wrong constant."""
    copied = tmp_path / "engine"
    copied.mkdir()
    for file in build.source_files():
        (copied / file.name).write_bytes(file.read_bytes())
    text = (copied / "norm.hpp").read_text()
    (copied / "norm.hpp").write_text(text.replace("1e-5f", "1e-2f"))
    assert text.count("1e-5f") == 1
    monkeypatch.setattr(build, "SOURCES", copied)
    monkeypatch.setattr(build, "source_files", lambda: sorted(copied.iterdir()))
    with pytest.raises(Unavailable, match="differs from torch in loss of M at width 32"):
        open_engine(cache=tmp_path / "cache")


@needs_vectors
def test_a_primitive_without_native_code_keeps_the_whole_search_on_torch(monkeypatch):
    other = dataclasses.replace(PRIMITIVES["M"], token="X", layer=type("Other", (), {}))
    monkeypatch.setitem(PRIMITIVES, "X", other)
    with pytest.raises(Unavailable, match="the primitive X has no native code"):
        open_engine()


def test_a_worker_without_a_compiler_trains_with_torch_and_says_why(tmp_path, monkeypatch):
    """The compiler is hidden: neither CXX nor anything on the path, and an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    worker = Worker("--device", "cpu")
    hello = worker.read()
    worker.process.stdin.close()
    said = worker.process.stderr.read()
    assert worker.process.wait(60) == 0
    assert (hello["engine"], hello["evaluator"]) == ("torch", evaluator_version("torch"))
    lines = [line for line in said.splitlines() if line.startswith("aira_workers:")]
    assert len(lines) == 1 and "because there is no C++ compiler" in lines[0] if RUNNABLE else "neither" in lines[0]

    refused = run_python("from aira_workers.__main__ import main; raise SystemExit(main())", PATH=str(tmp_path))
    assert refused.returncode == 0
    process = subprocess.run(
        [sys.executable, "-m", "aira_workers", "--engine", "native"],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 2 and process.stdout == ""


TRAININGS = """
import numpy as np, torch, sys
from pathlib import Path
from aira_workers.model import StackModel
from aira_workers.native.binding import load
from aira_workers.native.engine import NativeEngine
from aira_workers.native.selftest import _ORNATE, _PLAIN, _RULE, self_test
from aira_workers.primitives import make_frame
from aira_workers.proxies.learner import Question
engine = NativeEngine(load(Path(LIBRARY), LANES, ROUNDS), LANES, ROUNDS)
def learner(sizes, architecture, decoder, length, sequences):
    model = StackModel(architecture, sizes, 37, 1, decoder, length)
    return engine.learner(model, make_frame(length, sizes, torch.device("cpu")), sizes, _RULE, sequences)
def question(sequences, length, decoded):
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(rng.random(sequences * length) < 0.5)
    count = len(rows) + decoded[1] * length
    return Question(torch.from_numpy(rng.integers(0, 37, (sequences, length))), torch.from_numpy(rows),
        torch.from_numpy(rng.integers(0, 37, count)), torch.full((count,), 1 / count), decoded)
"""


def preload(name):
    """The sanitizer's runtime, which must come first in a process whose own program was built without it."""
    found = subprocess.run([find_compiler(), f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
    return found if Path(found).is_absolute() else None


@needs_vectors
@pytest.mark.parametrize("variant", RUNNABLE + ROUNDED, ids=lambda one: one.march + "-bf16" * one.rounds)
def test_address_and_undefined_sanitizers_are_silent(variant):
    """Every layer, both decoders, lengths that leave half blocks, sizes that leave half vectors, training and answers."""
    runtime = preload("libasan.so")
    if runtime is None:
        pytest.skip("the compiler has no address sanitizer")
    path = library(variant, sanitized=True)
    program = (
        f"LIBRARY, LANES, ROUNDS = {str(path)!r}, {variant.lanes}, {variant.rounds}"
        + TRAININGS
        + """
self_test(engine)
for sizes in (_PLAIN, _ORNATE):
    for decoder, decoded in (("learned-code", (1, 2)), ("sinusoidal", (0, 3)), ("none", (0, 0))):
        for length, sequences in ((16, 9), (48, 5)):
            one = learner(sizes, ("M", "mA", "Mb"), decoder, length, sequences)
            for _ in range(2):
                one.gradients(question(sequences, length, decoded))
                one.update(1.0)
            one.answers(question(sequences, length, decoded).tokens, decoder != "none")
            del one
print("finished")
"""
    )
    # Python and torch do not free everything at the end; leaks of the engine are the next test's.
    # The sanitizer looks for the throw of C++ when it starts, before a module of torch loads what has it.
    before = ":".join(filter(None, (runtime, preload("libstdc++.so.6"))))
    done = run_python(program, LD_PRELOAD=before, ASAN_OPTIONS="detect_leaks=0")
    assert done.returncode == 0 and done.stdout.strip() == "finished", done.stderr[-3000:]


@needs_vectors
def test_a_step_allocates_nothing_and_a_closed_training_gives_its_memory_back(tmp_path):
    """malloc, its relatives and operator new are counted by a library of ours that stands before them."""
    source = tmp_path / "count.cpp"
    source.write_text(
        """
        #include <cstdlib>
        #include <dlfcn.h>
        static long count = 0;
        extern "C" {
        void* __libc_malloc(size_t); void* __libc_calloc(size_t, size_t); void* __libc_realloc(void*, size_t);
        void* __libc_memalign(size_t, size_t);
        long allocations() { return count; }
        void* malloc(size_t n) { ++count; return __libc_malloc(n); }
        void* calloc(size_t n, size_t m) { ++count; return __libc_calloc(n, m); }
        void* realloc(void* p, size_t n) { ++count; return __libc_realloc(p, n); }
        void* aligned_alloc(size_t a, size_t n) { ++count; return __libc_memalign(a, n); }
        }
        """
    )
    counter = tmp_path / "count.so"
    subprocess.run([find_compiler(), "-O1", "-shared", "-fPIC", str(source), "-o", str(counter)], check=True)
    variant = RUNNABLE[0]
    program = (
        f"LIBRARY, LANES, ROUNDS = {str(library(variant))!r}, {variant.lanes}, False"
        + TRAININGS
        + f"""
import ctypes, resource
from aira_workers.native import binding
counter = ctypes.CDLL({str(counter)!r})
counter.allocations.restype = ctypes.c_long
inside = []
def watched(function):
    def call(*arguments):
        before = counter.allocations()
        result = function(*arguments)
        inside.append(counter.allocations() - before)
        return result
    return call
class Watched:  # the library as training.py sees it, with every call into C counted
    def __init__(self, library):
        self.library = library
    def __getattr__(self, name):
        return watched(getattr(self.library, name))
real = engine.library
engine.library = Watched(real)
one = learner(_PLAIN, ("M", "mA", "Mb") * 2, "learned-code", 32, 8)
opening, inside[:] = sum(inside), []
for _ in range(3):
    one.gradients(question(8, 32, (2, 3)))
    one.update(1.0)
one.answers(question(8, 32, (2, 3)).tokens, False)
base = []
for _ in range(7):
    before = counter.allocations()
    real.aira_lanes()
    base.append(counter.allocations() - before)
print(opening, max(inside), max(base))
engine.library = real
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
del one
sizes = []
for _ in range(12):
    one = learner(_PLAIN, ("M", "mA", "Mb") * 8, "learned-code", 32, 8)
    one.gradients(question(8, 32, (2, 3)))
    del one
    sizes.append(resident())
print(sizes[-1] - sizes[3])
"""
    )
    done = run_python(program, LD_PRELOAD=str(counter))
    assert done.returncode == 0, done.stderr[-2000:]
    (opening, step, call), (growth,) = ([int(word) for word in line.split()] for line in done.stdout.splitlines())
    # ctypes itself may allocate for a call: a call that does nothing in C is the measure.
    assert opening > 0 and step <= call
    assert growth < 8 * 2**20
