def after_training():
    """More, in several files, than may be handed over."""
    for index in range(8):
        with open(f"big{index}", "wb", buffering=0) as file:
            for _ in range(60):
                file.write(bytes(1 << 20))
