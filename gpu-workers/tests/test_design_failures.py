"""How errors of Python and torch become the reasons that the host records."""

import pytest
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
