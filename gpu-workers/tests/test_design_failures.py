"""How errors of Python and torch become the reasons that the host records."""

import argparse
import contextlib
import json
import types

import pytest
from aira_design import __main__ as command
from aira_design.candidate import blame
from aira_design.failures import is_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        SystemError("error return without exception set"),
        SystemError("<class 'torch.Tensor'> returned NULL without setting an exception"),
    ],
)
def test_an_allocation_that_fails_is_named_memory(error):
    assert is_memory(error)
    assert blame(error, "the program").reason == "oom"


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), SystemError("bad argument"), ValueError("memory")])
def test_other_errors_are_not(error):
    assert not is_memory(error)
    assert blame(error, "the program").reason == "crash"


def host(monkeypatch, tmp_path, error):
    """Run the trusted side without a program; its work raises `error`."""

    def work(_channel):
        raise error

    monkeypatch.setattr(command.peer, "program", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(command.families, "is_mixer", lambda _settings: False)
    settings = types.SimpleNamespace(budget=types.SimpleNamespace(seconds=1))
    # On a GPU the host's own memory has no limit, which would stay with this process.
    options = argparse.Namespace(device="cuda", socket=None, out=tmp_path / "out", settings="", candidate="")
    return command._host(settings, options, [], work)


@pytest.mark.parametrize("error", [MemoryError(), SystemError("error return without exception set")])
def test_a_host_without_memory_says_that_the_candidate_needs_too_much(monkeypatch, tmp_path, capsys, error):
    assert host(monkeypatch, tmp_path, error) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "oom"


@pytest.mark.parametrize("error", [RuntimeError("a defect"), SystemError("a defect")])
def test_a_defect_of_the_host_is_ours(monkeypatch, tmp_path, error):
    with pytest.raises(type(error)):
        host(monkeypatch, tmp_path, error)
