"""How trusted code meets a program: the host listens, the sandbox's launcher connects and hands the socket to the program.

The socket lies in a folder that only the laboratory's user can enter, one connection is accepted, and then there is no socket any
more. Without a path, for scripts run by hand, the program is a child of this process and nothing isolates it.
"""

import os
import select
import socket
import struct
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .channel import Channel, Message, PeerSilent, Shapes, payload_bytes
from .failures import CandidateFailure, Reason

DESCRIPTOR = 3
"""Where a program finds its end, unless its arguments name another."""

LISTENING = "listening"
"""The first line of a host's output: from now on the program may be started."""

_CONNECT_SECONDS = 120.0
_FAILED = "failed"
_MOST_MESSAGE = 2_000


class ProgramChannel(Channel):
    """A channel to a program whose end can be waited for: a program that hangs up may go on."""

    def __init__(self, connected: socket.socket, seconds: float, ended: Callable[[float], bool]) -> None:
        super().__init__(connected, seconds)
        self.ended = ended
        """Waits at most this many seconds. Returns whether all processes of the program are gone."""


@contextmanager
def program(path: Path | None, arguments: list[str], seconds: float) -> Iterator[ProgramChannel]:
    """The program's channel: of whatever connects to `path`, or of a child that runs `aira_design` with `arguments`.

    `seconds` bounds each message, and how long a child may go on once it has hung up. Raises PeerSilent when nothing connects.
    """
    if path is None:
        with _child(arguments, seconds) as channel:
            yield channel
        return
    connected = _accept(path)
    launcher = os.pidfd_open(_process_of(connected))
    channel = ProgramChannel(connected, seconds, lambda most: _is_over(launcher, most))
    try:
        yield channel
    finally:
        channel.close()
        os.close(launcher)


def host(descriptor: int) -> Channel:
    """The program's end. It waits without end: its own end is the sandbox's affair."""
    os.set_inheritable(descriptor, False)
    return Channel(socket.socket(fileno=descriptor), None)


def _process_of(connected: socket.socket) -> int:
    """Who has connected, as the kernel says: the launcher, which ends after the program (L6 of launcher.py)."""
    return struct.unpack("iII", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII")))[0]


def _is_over(process: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(process, select.POLLIN)
    return bool(poller.poll(max(0.0, seconds) * 1000))


def _accept(path: Path) -> socket.socket:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        try:
            listener.listen(1)
            print(LISTENING, flush=True)
            listener.settimeout(_CONNECT_SECONDS)
            connected, _ = listener.accept()
        except TimeoutError as error:
            raise PeerSilent("no program has connected") from error
        finally:
            path.unlink()
    return connected


@contextmanager
def _child(arguments: list[str], seconds: float) -> Iterator[ProgramChannel]:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "aira_design", *arguments, "--channel", str(theirs.fileno())]
    # Its output must not mix with this process's result. It speaks over the channel.
    started = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )  # fmt: skip
    theirs.close()

    def ended(most: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            started.wait(max(0.0, most))
        return started.returncode is not None

    channel = ProgramChannel(ours, seconds, ended)
    try:
        yield channel
        channel.close()
        with suppress(subprocess.TimeoutExpired):
            started.wait(seconds)
    finally:
        channel.close()
        started.kill()
        started.wait()


def answer(channel: Channel, kind: str, shapes: Shapes, optional: Shapes | None = None) -> Message:
    """The program's answer, of this kind, with all arrays of `shapes` and some of `optional`.

    Raises CandidateFailure where it answers that it has failed, and ChannelError.
    """
    taken = {**shapes, **(optional or {})}
    message = channel.receive(payload_bytes(taken))
    if message.kind == _FAILED:
        raise _told(message.fields)
    channel.check(message, kind, shapes, optional)
    return message


def tell(channel: Channel, failure: CandidateFailure) -> None:
    """The program's last message: what is wrong with the candidate."""
    channel.send(_FAILED, {"reason": failure.reason, "message": failure.message[:_MOST_MESSAGE]})


def _told(fields: Mapping[str, object]) -> CandidateFailure:
    """What a program says of itself. It only chooses among the reasons for having no score."""
    reason, message = fields.get("reason"), fields.get("message")
    known = isinstance(reason, str) and reason in typing.get_args(Reason)
    return CandidateFailure(reason if known else "crash", str(message)[:_MOST_MESSAGE])
