def in_training():
    for step in range(1000):
        sys.stderr.write(f"\r\x1b[32m{step / 10:5.1f} %\x1b[0m")
    sys.stderr.write("\n")
