def in_training():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(abs, range(-50, 50))) == 2500
