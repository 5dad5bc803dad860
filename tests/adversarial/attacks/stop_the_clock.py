def in_training():
    import time

    real = time.sleep
    try:
        time.clock_settime(time.CLOCK_REALTIME, 0)
        escaped("set the clock")
    except OSError:
        pass
    real(1.5)
    for name in ("time", "monotonic", "perf_counter", "process_time"):
        setattr(time, name, lambda: 0.0)
