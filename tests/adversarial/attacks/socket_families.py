def in_training():
    """Vsock and others know no network namespace."""
    import socket

    for family in (2, 10, 16, 17, 30, 31, 38, 40, 44):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                socket.socket(family, kind).close()
                escaped(f"made a socket of family {family}")
            except OSError:
                pass
            try:
                socket.socketpair(family, kind)
                escaped(f"made a pair of sockets of family {family}")
            except OSError:
                pass
