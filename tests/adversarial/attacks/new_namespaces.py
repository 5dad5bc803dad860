def in_training():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    for flag in (0x10000000, 0x10020000, 0x50000000):
        if os.fork() == 0:
            os._exit(0 if libc.unshare(flag) == 0 else 1)
        if os.wait()[1] == 0:
            escaped("became root in a namespace of its own")
