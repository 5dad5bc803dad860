def in_training():
    import time

    time.sleep(float(os.environ.get("OVERTIME", "12")))
