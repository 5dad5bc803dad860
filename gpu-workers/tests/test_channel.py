"""The channel between trusted code and a program, each end against a peer that does not keep to it."""

import array
import json
import os
import queue
import socket
import struct
import threading
import time

import numpy as np
import pytest
from aira_design import peer
from aira_design.channel import DTYPES, MOST_HEAD_BYTES, Channel, ChannelError, PeerBroke, PeerGone, PeerSilent
from aira_design.failures import CandidateFailure
from aira_design.peer import answer

PATIENCE = 20.0


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield Channel(ours, PATIENCE), theirs
    ours.close()
    theirs.close()


def frame(head, payload=b"", magic=b"AIR1", head_bytes=None, payload_bytes=None):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    sizes = (len(text) if head_bytes is None else head_bytes, len(payload) if payload_bytes is None else payload_bytes)
    return struct.pack("<4sIQ", magic, *sizes) + text + payload


def head(*arrays, kind="y", fields=None):
    return {"kind": kind, "fields": fields or {}, "arrays": list(arrays)}


def test_a_message_arrives_as_it_was_sent(pair):
    ours, theirs = pair
    arrays = {dtype: np.arange(12).reshape(3, 4).astype(dtype) for dtype in DTYPES}
    arrays["empty"], arrays["scalar"] = np.zeros((0, 5), "<f4"), np.array(3.5, "<f4")
    arrays["strided"] = np.arange(20, dtype="<i8")[::2]
    other = Channel(theirs, PATIENCE)
    other.send("some", {"step": 3, "text": "é"}, arrays)
    found = ours.receive(1000)
    assert (found.kind, found.fields) == ("some", {"step": 3, "text": "é"})
    assert list(found.arrays) == list(arrays)
    for name, value in arrays.items():
        assert found.arrays[name].dtype == value.dtype and np.array_equal(found.arrays[name], value)
    found.arrays["<f4"][0] = 1  # what arrives is this side's own memory


def test_more_than_a_socket_holds_goes_both_ways(pair):
    ours, theirs = pair
    big = np.random.default_rng(0).random((500, 1000), dtype=np.float32)

    def echo():
        other = Channel(theirs, PATIENCE)
        other.send("back", {}, other.receive(big.nbytes).arrays)

    thread = threading.Thread(target=echo)
    thread.start()
    ours.send("there", {}, {"x": big})
    assert np.array_equal(answer(ours, "back", {"x": ("<f4", big.shape)}).arrays["x"], big)
    thread.join()


F4 = ["x", "<f4", [2]]
HOSTILE = {
    "garbage": b"\xff" * 64,
    "another magic": frame(head(F4), bytes(8), magic=b"HTTP"),
    "a head of 4 GB": frame(head(), head_bytes=2**32 - 1),
    "a head beyond the bound": frame(b" " * (MOST_HEAD_BYTES + 1)),
    "a payload of 16 EB": frame(head(F4), payload_bytes=2**64 - 1),
    "a payload beyond what was asked for": frame(head(["x", "<f4", [300]]), bytes(1200)),
    "fewer bytes than named": frame(head(F4), bytes(4)),
    "more bytes than named": frame(head(F4), bytes(12)),
    "no JSON": frame(b"{]"),
    "no UTF-8": frame(b"\xff\xfe{}"),
    "no object": frame([1, 2]),
    "other keys": frame({**head(), "more": 1}),
    "fields that are no object": frame({**head(), "fields": [1]}),
    "a kind that is no text": frame({**head(), "kind": None}),
    "NaN": frame(b'{"kind": "y", "fields": {"a": NaN}, "arrays": []}'),
    "deep nesting": frame(b'{"kind": "y", "arrays": [], "fields": ' + b"[" * 60_000),
    "a type of objects": frame(head(["x", "|O", [1]]), bytes(8)),
    "a type of the other byte order": frame(head(["x", ">f4", [2]]), bytes(8)),
    "a type that is a list": frame(head(["x", [["a", "<f4"]], [2]]), bytes(8)),
    "a negative dimension": frame(head(["x", "<f4", [-2]]), bytes(8)),
    "two negative dimensions": frame(head(["x", "<f4", [-2, -1]]), bytes(8)),
    "a dimension that is true": frame(head(["x", "<f4", [True, 2]]), bytes(8)),
    "a dimension of 1.5": frame(head(["x", "<f4", [1.5]]), bytes(8)),
    "dimensions that overflow 64 bits": frame(head(["x", "<f4", [2**32, 2**32]]), b""),
    "an empty array of enormous dimensions": frame(head(["x", "<f4", [2**62, 0]]), b""),
    "nine dimensions": frame(head(["x", "<f4", [1] * 9]), bytes(4)),
    "two arrays of one name": frame(head(F4, F4), bytes(16)),
    "a truth value of 7": frame(head(["x", "|b1", [1]]), b"\7"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_message_closes_the_channel(pair, what):
    ours, theirs = pair
    theirs.sendall(HOSTILE[what])
    with pytest.raises(PeerBroke):
        ours.receive(1024)
    with pytest.raises(ChannelError):
        ours.send("after")


@pytest.mark.parametrize("sent", [
    head(["x", "<f4", [2, 1]]), head(["y", "<f4", [2]]), head(["x", "<i4", [2]]), head(F4, kind="z"),
])  # fmt: skip
def test_only_the_message_that_was_asked_for_is_taken(pair, sent):
    ours, theirs = pair
    theirs.sendall(frame(sent, bytes(8)))
    with pytest.raises(PeerBroke):
        answer(ours, "y", {"x": ("<f4", (2,))}, {"z": ("<f4", (2,))})


def test_arrays_may_be_left_out_where_that_is_said(pair):
    ours, theirs = pair
    theirs.sendall(frame(head(F4), bytes(8)) + frame(head(F4, ["z", "<f4", []]), bytes(12)))
    for names in (["x"], ["x", "z"]):
        assert list(answer(ours, "y", {"x": ("<f4", (2,))}, {"z": ("<f4", ())}).arrays) == names


@pytest.mark.parametrize("fields,reason,message", [
    ({"reason": "oom", "message": "no memory"}, "oom", "no memory"),
    ({"reason": "excellent", "message": "x" * 9000}, "crash", "x" * 2000),
    ({"reason": ["oom"]}, "crash", "None"),
])  # fmt: skip
def test_a_program_may_say_that_it_has_failed_and_no_more(pair, fields, reason, message):
    ours, theirs = pair
    theirs.sendall(frame(head(kind="failed", fields=fields)))
    with pytest.raises(CandidateFailure) as caught:
        answer(ours, "y", {"x": ("<f4", (2,))})
    assert (caught.value.reason, caught.value.message) == (reason, message)


@pytest.mark.parametrize("part", [0, 7, 30, 60])
def test_an_early_close_is_known_from_silence(pair, part):
    ours, theirs = pair
    theirs.sendall(frame(head(F4), bytes(8))[:part])
    theirs.close()
    with pytest.raises(PeerGone):
        ours.receive(8)


@pytest.mark.parametrize("drip", [False, True])
def test_silence_ends_at_the_deadline_also_in_drops(drip):
    """Invariant C3: bytes that arrive one by one do not move the deadline."""
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def send():
        for byte in frame(head(fields={"a": "x" * 60_000})):
            if stop.wait(0.02):
                return
            theirs.send(bytes([byte]))

    thread = threading.Thread(target=send)
    if drip:
        thread.start()
    began = time.monotonic()
    with pytest.raises(PeerSilent):
        Channel(ours, 0.3).receive()
    assert time.monotonic() - began < 10
    stop.set()
    if drip:
        thread.join()
    theirs.close()


def test_a_peer_that_does_not_read_ends_at_the_deadline_while_it_floods():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    try:
        while True:
            theirs.send(b"x" * 65_536)
    except BlockingIOError:
        pass
    with pytest.raises(PeerSilent):
        Channel(ours, 0.3).send("much", {}, {"x": np.zeros(2_000_000, "<f4")})
    theirs.close()


def test_attached_descriptors_are_dropped(pair):
    """Invariant C4. The pipe's reading end sees the end of file once no writing end is open anywhere."""
    ours, theirs = pair
    reading, writing = os.pipe()
    before = len(os.listdir("/proc/self/fd"))
    attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writing] * 50))]
    theirs.sendmsg([frame(head(F4), bytes(8))], attached)
    assert ours.receive(8).kind == "y"
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_what_does_not_fit_is_refused_where_it_is_sent(pair):
    ours, _ = pair
    with pytest.raises(ValueError, match="float64"):
        ours.send("x", {}, {"x": np.zeros(1)})
    with pytest.raises(ValueError, match="head"):
        ours.send("x", {"text": "y" * MOST_HEAD_BYTES})
    with pytest.raises(ValueError):
        ours.send("x", {"number": float("nan")})


def test_one_connection_is_accepted_and_then_the_socket_is_gone(tmp_path, monkeypatch):
    path = tmp_path / "socket"
    said, found = queue.Queue(), []
    monkeypatch.setattr(peer, "print", lambda text, flush: said.put(text), raising=False)

    def serve():
        with peer.program(path, [], PATIENCE) as channel:
            found.append(channel.receive().kind)

    thread = threading.Thread(target=serve)
    thread.start()
    assert said.get(timeout=PATIENCE) == peer.LISTENING
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
        connected.connect(str(path))
        Channel(connected, PATIENCE).send("hello")
        thread.join()
    assert found == ["hello"] and not path.exists()
