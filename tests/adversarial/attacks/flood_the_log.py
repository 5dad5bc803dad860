def in_training():
    line = b"x" * 65536
    for _ in range(1500):
        os.write(1, line)
