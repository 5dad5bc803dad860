def in_training():
    import socket

    one, other = socket.socketpair()
    one.sendall(b"hello")
    assert other.recv(5) == b"hello"
