def in_training():
    keep_batches()


def after_training():
    """Tells the host by hanging up that it is done."""
    import prepare

    prepare._channel.close()
    goes_on()
