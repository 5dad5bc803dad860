def look():
    for path in [CANARY, HIDDEN, SECRET, "/etc/shadow", "/etc/passwd", "/root/.bashrc", "/proc/1/root" + CANARY]:
        for prefix in ("", "/proc/self/root", "/box/../../..", "/proc/self/cwd/../../../.."):
            try:
                with open(prefix + path, "rb") as file:
                    escaped(f"read {path}: {file.read(40)!r}")
            except OSError:
                pass
    for folder, folders, files in os.walk("/"):
        if folder in ("/proc", "/sys", "/usr", "/lib", "/dev"):
            folders.clear()
        for name in folders + files:
            if name in ("hidden", os.path.basename(CANARY)):
                escaped(f"found {folder}/{name}")


in_training = look


def in_prediction(folder):
    look()
