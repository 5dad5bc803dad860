def in_training():
    import logging
    import warnings

    logging.basicConfig(filename="run.log", level=logging.DEBUG)
    logging.info("begun")
    warnings.warn("a learning rate of 0.5 is high")
