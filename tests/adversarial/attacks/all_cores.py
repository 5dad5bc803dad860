def in_training():
    import time

    for _ in range(4):
        if os.fork() == 0:
            until = time.process_time() + 0.5
            while time.process_time() < until:
                pass
            os._exit(0)
    for _ in range(4):
        os.wait()
