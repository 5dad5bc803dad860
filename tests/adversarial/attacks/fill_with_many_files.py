def in_training():
    """Each file is below the limit of one; together they are not."""
    written = 0
    try:
        for index in range(20):
            with open(f"/tmp/filler{index}", "wb", buffering=0) as file:
                os.posix_fallocate(file.fileno(), 0, 40 << 20)
            written += 40 << 20
    except OSError:
        pass
    if written >= 600 << 20:
        escaped(f"wrote {written} bytes")
    for index in range(20):
        if os.path.exists(f"/tmp/filler{index}"):
            os.remove(f"/tmp/filler{index}")
