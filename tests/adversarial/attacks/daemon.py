def in_training():
    import time

    if os.fork() == 0:
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        for descriptor in range(3):
            os.close(descriptor)
        while True:
            time.sleep(1)
    os.wait()
