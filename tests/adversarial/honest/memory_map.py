def in_training():
    import numpy

    mapped = numpy.memmap("/tmp/tokens.bin", dtype="uint16", mode="w+", shape=(1_000_000,))
    mapped[:] = 7
    mapped.flush()
    assert numpy.memmap("/tmp/tokens.bin", dtype="uint16", mode="r").sum() == 7_000_000
