def in_training():
    import threading

    over, started = threading.Event(), []
    try:
        while len(started) < 600:
            thread = threading.Thread(target=over.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError:
        pass
    over.set()
    if len(started) >= 600:
        escaped(f"started {len(started)} threads")
