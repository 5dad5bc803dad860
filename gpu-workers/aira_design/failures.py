"""What can be wrong with a candidate, by the reason codes that the host records."""

from typing import Literal

Reason = Literal["invalid", "nan", "oom", "crash", "toobig", "noncausal", "tampered", "over-budget"]


def is_memory(error: BaseException) -> bool:
    """Whether an error of Python or torch says that there is no memory left.

    A function in C whose allocation fails without a word returns no result and sets no exception: CPython makes a SystemError of
    it (`_Py_CheckFunctionResult`), which torch 2 showed under a limit of 700 MB.
    """
    said = str(error)
    if isinstance(error, SystemError):
        return "without exception set" in said or "without setting an exception" in said
    return isinstance(error, MemoryError) or "out of memory" in said or "can't allocate memory" in said


class CandidateFailure(Exception):
    """Thrown when a candidate cannot be trained, asked or scored. Repeating the same candidate fails again."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
