"""What can be wrong with a candidate, by the reason codes that the host records."""

from typing import Literal

Reason = Literal["invalid", "nan", "oom", "crash", "toobig", "noncausal", "tampered", "over-budget"]


def is_memory(error: BaseException) -> bool:
    """Whether an error of Python or torch says that there is no memory left."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error)


class CandidateFailure(Exception):
    """Thrown when a candidate cannot be trained, asked or scored. Repeating the same candidate fails again."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
