def in_training():
    kept = []
    for _ in range(12):
        block = bytearray(100 << 20)
        block[:: 4096] = b"x" * len(block[:: 4096])
        kept.append(block)
    escaped("held 1.2 GB")
