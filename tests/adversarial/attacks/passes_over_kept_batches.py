def in_training():
    keep_batches()


def after_training():
    improve(8)
