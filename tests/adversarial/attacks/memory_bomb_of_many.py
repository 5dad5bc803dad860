def in_training():
    import time

    for _ in range(6):
        if os.fork() == 0:
            block = bytearray(300 << 20)
            block[:: 4096] = b"x" * len(block[:: 4096])
            time.sleep(30)
            os._exit(0)
    ended = 0
    for _ in range(40):
        time.sleep(0.1)
        pid, status = os.waitpid(-1, os.WNOHANG)
        ended += pid > 0
    if ended == 0:
        escaped("held 1.8 GB in six processes")
    os._exit(9)
