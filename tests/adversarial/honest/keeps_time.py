def in_training():
    import time

    begun = time.monotonic(), time.time(), time.process_time(), time.perf_counter()
    time.sleep(0.05)
    assert time.monotonic() - begun[0] >= 0.05
