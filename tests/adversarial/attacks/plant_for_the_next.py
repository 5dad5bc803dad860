def in_training():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmget(0x41495241, 4096, 0o1666)
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/box", os.path.expanduser("~")):
        try:
            with open(f"{folder}/planted", "w") as file:
                file.write("planted")
        except OSError:
            pass
