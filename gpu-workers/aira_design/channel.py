"""Framed messages between trusted code and a program in its sandbox, over one connected socket.

Role: bytes to messages and back, with bounds. Non-role: what a message means; who starts the other side (peer.py).

  C1  Nothing is read without a bound that was known before: the head has a largest size, the payload one that the caller
      states, and both are checked before memory is taken for them.
  C2  A message is a kind, JSON fields and arrays of the dtypes below. Shapes and payload agree to the byte. No pickle.
  C3  A message is sent, or has arrived, within `seconds`, however its bytes are spread over that time.
  C4  Descriptors that the other side attaches are dropped by the kernel: nothing here receives ancillary data.
  C5  After an error the channel is closed. There is no way back into step with a side that broke the protocol.

A frame is the magic word, the sizes of head and payload (little endian), the head as JSON, and the arrays' bytes one after
the other.
"""

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

MOST_HEAD_BYTES = 65_536
MOST_ARRAYS = 4_096
MOST_DIMENSIONS = 8
DTYPES = ("|b1", "<u2", "<i4", "<i8", "<f4")

_MAGIC = b"AIR1"
_FRAME = struct.Struct("<4sIQ")

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""dtype and shape of each array by name."""


def payload_bytes(shapes: Shapes) -> int:
    return sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in shapes.values())


class ChannelError(Exception):
    """Thrown when the other side did not do its part; the channel is then closed."""


class PeerGone(ChannelError):
    """Thrown when the other side has closed the socket, as its death does."""


class PeerSilent(ChannelError):
    """Thrown when a message did not go through in time."""


class PeerBroke(ChannelError):
    """Thrown when the other side sent what is no message, or not the one that was asked for."""


class Message(NamedTuple):
    kind: str
    fields: dict[str, Any]
    arrays: dict[str, np.ndarray]


class Channel:
    """One side of a conversation. `seconds` bounds each message (C3); None waits without end."""

    def __init__(self, connected: socket.socket, seconds: float | None) -> None:
        self._socket, self._seconds = connected, seconds

    def send(
        self, kind: str, fields: Mapping[str, Any] | None = None, arrays: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Raises PeerGone or PeerSilent; ValueError for what does not fit into a message."""
        plain = {name: np.asarray(array, order="C") for name, array in (arrays or {}).items()}
        for name, array in plain.items():
            if array.dtype.str not in DTYPES:
                raise ValueError(f"{name} is {array.dtype}; a message takes {', '.join(DTYPES)}")
        named = [[name, array.dtype.str, list(array.shape)] for name, array in plain.items()]
        head = json.dumps({"kind": kind, "fields": dict(fields or {}), "arrays": named}, allow_nan=False).encode()
        if len(head) > MOST_HEAD_BYTES:
            raise ValueError(f"the head of a message has {len(head)} bytes; at most {MOST_HEAD_BYTES} are read")
        deadline = self._deadline()
        self._write(_FRAME.pack(_MAGIC, len(head), sum(array.nbytes for array in plain.values())) + head, deadline)
        for array in plain.values():
            if array.nbytes:
                self._write(array.reshape(-1).view(np.uint8), deadline)

    def receive(self, most_bytes: int = 0) -> Message:
        """Return the next message, whose arrays have at most `most_bytes` together. Raises ChannelError."""
        deadline = self._deadline()
        magic, head_bytes, payload_bytes = _FRAME.unpack(self._read(_FRAME.size, deadline))
        if magic != _MAGIC or head_bytes > MOST_HEAD_BYTES:
            raise self._broke("what arrived is no message")
        if payload_bytes > most_bytes:
            raise self._broke(f"a message has {payload_bytes} bytes of arrays; at most {most_bytes} were expected")
        try:
            kind, fields, shapes = _parse(self._read(head_bytes, deadline).tobytes())
        except (ValueError, RecursionError) as error:
            raise self._broke(f"the head of a message is not right: {error}") from None
        sizes = [np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in shapes.values()]
        if sum(sizes) != payload_bytes:
            raise self._broke(f"a message names {sum(sizes)} bytes of arrays and has {payload_bytes}")
        arrays = {}
        for (name, (dtype, shape)), size in zip(shapes.items(), sizes):
            raw = self._read(size, deadline)
            if dtype == "|b1" and raw.max(initial=0) > 1:
                raise self._broke(f"{name} holds a truth value that is none")
            arrays[name] = raw.view(dtype).reshape(shape)
        return Message(kind, fields, arrays)

    def check(self, message: Message, kind: str, shapes: Shapes, optional: Shapes | None = None) -> None:
        """Raise PeerBroke unless `message` is of this kind, with all arrays of `shapes`, maybe some of `optional`, and no other."""
        if message.kind != kind:
            raise self._broke(f"{message.kind[:40]!r} arrived in place of {kind!r}")
        taken = {**shapes, **(optional or {})}
        found = {name: (array.dtype.str, array.shape) for name, array in message.arrays.items()}
        if not set(shapes) <= set(found) or any(taken.get(name) != each for name, each in found.items()):
            raise self._broke(f"the arrays of {kind!r} are not of the expected names, types and shapes")

    def within(self, seconds: float) -> None:
        """From now on `seconds` bound each message."""
        self._seconds = seconds

    def close(self) -> None:
        self._socket.close()

    def _deadline(self) -> float | None:
        return None if self._seconds is None else time.monotonic() + self._seconds

    def _broke(self, problem: str) -> PeerBroke:
        self.close()
        return PeerBroke(problem)

    def _patience(self, deadline: float | None) -> None:
        """Give the next call to the kernel the time that is left."""
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            self.close()
            raise PeerSilent(f"a message did not go through within {self._seconds:g} s")
        self._socket.settimeout(left)

    def _read(self, size: int, deadline: float | None) -> np.ndarray:
        """Exactly `size` bytes. Plain recv, so that attached descriptors are closed by the kernel (C4)."""
        found = np.empty(size, np.uint8)
        view = memoryview(found)
        while view:
            try:
                self._patience(deadline)
                count = self._socket.recv_into(view)
            except TimeoutError:
                continue  # the deadline decides
            except OSError as error:
                raise self._gone() from error
            if count == 0:
                raise self._gone()
            view = view[count:]
        return found

    def _write(self, data: Any, deadline: float | None) -> None:
        view = memoryview(data)
        while view:
            try:
                self._patience(deadline)
                view = view[self._socket.send(view) :]
            except TimeoutError:
                continue
            except OSError as error:
                raise self._gone() from error

    def _gone(self) -> PeerGone:
        self.close()
        return PeerGone("the other side has closed the channel")


def _parse(head: bytes) -> tuple[str, dict[str, Any], dict[str, tuple[str, tuple[int, ...]]]]:
    """Kind, fields and shapes. Raises ValueError or RecursionError for anything but what `send` writes."""
    value = json.loads(head.decode(), parse_constant=_no_constant)
    if not isinstance(value, dict) or set(value) != {"kind", "fields", "arrays"}:
        raise ValueError("not the keys of a message")
    kind, fields, named = value["kind"], value["fields"], value["arrays"]
    if (
        not isinstance(kind, str)
        or not isinstance(fields, dict)
        or not isinstance(named, list)
        or len(named) > MOST_ARRAYS
    ):
        raise ValueError("not the types of a message")
    shapes = {}
    for each in named:
        if not isinstance(each, list) or len(each) != 3 or not isinstance(each[0], str) or each[0] in shapes:
            raise ValueError("an array is not named properly")
        name, dtype, shape = each
        if dtype not in DTYPES:
            raise ValueError("an array is of a type that is not taken")
        shapes[name] = (dtype, _dimensions(shape))
    return kind, fields, shapes


def _dimensions(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS:
        raise ValueError("an array has no proper shape")
    sizes: list[int] = shape
    if any(type(size) is not int or not 0 <= size < 2**40 for size in sizes):
        raise ValueError("an array has no proper shape")
    return tuple(sizes)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
