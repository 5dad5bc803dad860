def in_training():
    sys.setrecursionlimit(20_000)

    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    assert down(5000) == 5000
