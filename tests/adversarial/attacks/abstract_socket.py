def in_training():
    import socket

    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.connect("\0" + TOKEN)
            escaped("connected to a socket without a path")
    except OSError:
        pass
