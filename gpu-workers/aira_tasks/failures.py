"""How the steps of an evaluation fail."""


class Refused(Exception):
    """Raised when settings, data or the task's scripts are wrong; one sentence, status 2."""


class ProgramFailed(Exception):
    """Raised when the program or its submission is wrong; carries a reason code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
