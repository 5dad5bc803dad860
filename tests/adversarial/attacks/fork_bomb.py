def in_training():
    import time

    children = 0
    try:
        while children < 600:
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            children += 1
    except OSError:
        pass
    if children >= 600:
        escaped(f"started {children} processes")
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(0, signal.SIGTERM)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
