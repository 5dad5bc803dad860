def in_training():
    for folder in (".", "/tmp", "/dev/shm"):
        made = 0
        try:
            while made < 12_000:
                os.close(os.open(f"{folder}/e{made}", os.O_CREAT | os.O_WRONLY))
                made += 1
        except OSError:
            pass
        if made >= 12_000:
            escaped(f"made {made} files in {folder}")
        for index in range(made):
            os.remove(f"{folder}/e{index}")
