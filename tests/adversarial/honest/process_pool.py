def square(x):
    return x * x


def in_training():
    from multiprocessing import Pool

    with Pool(3) as pool:
        assert pool.map(square, range(10))[3] == 9
