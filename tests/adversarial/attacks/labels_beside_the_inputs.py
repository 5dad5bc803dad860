def in_prediction(folder):
    import numpy

    for path, _, names in os.walk("/box"):
        if path.startswith("/box/lib"):
            continue
        for name in names:
            if "target" in name or "hidden" in name or "label" in name:
                escaped(f"found {path}/{name}")
    try:
        inputs = numpy.load("/box/inputs/inputs.npy")
    except OSError:
        return
    if inputs.dtype == object or inputs.shape[1] != 32:
        escaped(f"inputs of shape {inputs.shape}")
    if os.path.exists("/box/train"):
        escaped("the train split is there in the prediction")


def in_training():
    if os.path.exists("/box/inputs"):
        escaped("inputs are there in the training")
