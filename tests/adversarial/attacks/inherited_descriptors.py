def in_training():
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                content = os.pread(int(name), 100, 0)
            except OSError:
                continue
            if TOKEN.encode() in content:
                escaped(f"descriptor {name} reads {content!r}")
