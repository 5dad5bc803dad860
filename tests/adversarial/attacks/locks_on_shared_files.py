def in_training():
    """A lock on a file that is shared with the machine is a bit that the program of next door can read."""
    import fcntl

    with open(SHARED, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            escaped("saw a lock of the machine")
