def in_prediction(folder):
    import gc

    import numpy

    for name in sys.modules:
        if name.startswith("aira_design") and name.endswith(".host"):
            escaped(f"{name} is in memory")
    frame = sys._getframe()
    while frame:
        for name in frame.f_locals:
            if "target" in name or "hidden" in name:
                escaped(f"{name} is on the stack")
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            for key, value in list(thing.items()):
                if isinstance(key, str) and isinstance(value, numpy.ndarray) and ("target" in key or "spliced" in key):
                    escaped(f"{key} is in memory")
