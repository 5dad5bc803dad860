"""How the steps of an evaluation end when they do not end well."""


class Refused(Exception):
    """Thrown when settings, data or the task's scripts are wrong; one sentence, status 2."""


class ProgramFailed(Exception):
    """Thrown when the program or its submission is wrong; carries a reason code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
