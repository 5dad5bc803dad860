"""What can be wrong with a candidate, by the reason codes that the host records."""

from typing import Literal

Reason = Literal["invalid", "nan", "oom", "crash", "toobig", "noncausal", "tampered"]


class CandidateFailure(Exception):
    """Thrown when a candidate cannot be trained, asked or scored. Repeating the same candidate fails again."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
