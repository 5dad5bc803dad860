def after_training():
    """What was learned, in more files than the one that is counted, and in their names."""
    for name in ("more.bin", "notes/deep/more.bin", f"{'0123456789' * 20}", ".hidden"):
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "wb") as file:
            file.write(b"learned")


def in_prediction(folder):
    if sorted(os.listdir(folder)) != [STATE]:
        escaped(f"found {sorted(os.listdir(folder))}")
