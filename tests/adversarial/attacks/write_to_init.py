def in_training():
    """The first process of the namespace is bubblewrap, and runs as the same user."""
    for path in ("/proc/1/mem", "/proc/1/task/1/mem"):
        try:
            with open(path, "r+b"):
                escaped(f"opened {path}")
        except OSError:
            pass
    try:
        if os.listdir("/proc/1/fd"):
            escaped("saw its descriptors")
    except OSError:
        pass
