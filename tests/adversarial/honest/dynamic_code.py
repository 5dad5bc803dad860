def in_training():
    scope = {}
    exec(compile("def f(x): return x + 1", "<made>", "exec"), scope)
    assert scope["f"](1) == 2
    import ctypes

    assert ctypes.CDLL(None).abs(-3) == 3
