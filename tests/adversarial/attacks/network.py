def in_training():
    import socket

    targets = [
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PORT)),
        (socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("8.8.8.8", 53)),
        (socket.AF_INET6, socket.SOCK_STREAM, ("::1", PORT)),
        (socket.AF_UNIX, socket.SOCK_STREAM, CANARY_FOLDER + "/socket"),
    ]
    for family, kind, address in targets:
        try:
            with socket.socket(family, kind) as end:
                end.settimeout(2)
                end.connect(address)
                escaped(f"connected to {address}")
        except OSError:
            pass
    try:
        escaped(f"resolved {socket.gethostbyname('localhost.localdomain')}")
    except OSError:
        pass
