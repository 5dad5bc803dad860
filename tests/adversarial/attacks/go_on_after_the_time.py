def in_training():
    keep_batches()


def after_training():
    """Asks for nothing more and keeps the line open."""
    goes_on()
