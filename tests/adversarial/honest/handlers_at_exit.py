def in_training():
    import atexit
    import signal

    signal.signal(signal.SIGTERM, lambda *rest: sys.exit(1))
    atexit.register(lambda: open("done", "w").close())
