MOST = 700 << 20


def in_training():
    for folder in (".", "/tmp", "/dev/shm", "/dev", "/", "/run", "/var/tmp", "/box"):
        written, name = 0, f"{folder}/filler"
        try:
            with open(name, "wb", buffering=0) as file:
                while written < MOST:
                    os.posix_fallocate(file.fileno(), written, 1 << 20)
                    written += 1 << 20
        except OSError:
            pass
        if written and folder in ("/dev", "/", "/run", "/var/tmp", "/box"):
            escaped(f"wrote to {folder}")
        if written >= MOST:
            escaped(f"wrote {written} bytes to {folder}")
        if os.path.exists(name):
            os.remove(name)
