def in_training():
    import random
    import secrets

    import numpy

    assert len(secrets.token_bytes(16)) == 16 and random.random() < 1 and numpy.random.default_rng().random() < 1
    with open("/dev/urandom", "rb") as file:
        assert len(file.read(8)) == 8
