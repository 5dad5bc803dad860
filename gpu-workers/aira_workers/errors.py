"""Everything that can end an evaluation. Each class carries the reason code that the host records."""


class EvaluationError(Exception):
    """Base of the errors that end one candidate and leave the process healthy."""

    reason = "crash"


class InvalidCandidate(EvaluationError):
    """Thrown when the architecture does not fit the search space or the settings cannot be read. Never retry."""

    reason = "invalid"


class Diverged(EvaluationError):
    """Thrown when a loss or a weight is no longer finite. A retry with the same seed diverges again."""

    reason = "nan"


class OutOfMemory(EvaluationError):
    """Thrown when the device has no room for the candidate. Retry only on a larger or emptier device."""

    reason = "oom"


class Cancelled(EvaluationError):
    """Thrown between two training steps once the host asked to stop. Retry at will."""

    reason = "cancelled"


class UnreadableRequest(Exception):
    """Thrown when a line from the host is not a request of this protocol version; no candidate is involved."""
