"""Named moments at which a test kills this process: AIRA_SCALE_FAILPOINT=<name>:<count> sends SIGKILL at the count-th passage."""

import os
import signal

_wanted, _, _count = os.environ.get("AIRA_SCALE_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def failpoint(name: str) -> None:
    global _left
    if name == _wanted:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
