def in_training():
    import socket

    if socket.gethostname() == HOST_NAME:
        escaped(f"knows the machine: {HOST_NAME}")
