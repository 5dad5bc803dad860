def in_training():
    import tempfile

    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/x", "wb") as file:
        file.write(bytes(50_000_000))
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
