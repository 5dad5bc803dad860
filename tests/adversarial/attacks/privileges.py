def in_training():
    import shutil
    import subprocess

    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
        if int(status[name], 16) != 0:
            escaped(f"{name} is {status[name].strip()}")
    if status["NoNewPrivs"].strip() != "1":
        escaped("may gain privileges")
    shutil.copy("/usr/bin/id", "/tmp/id")
    os.chmod("/tmp/id", 0o6755)
    said = subprocess.run(["/tmp/id"], capture_output=True, text=True).stdout
    if "euid" in said or "uid=0" in said:
        escaped(said)
    for action in (lambda: os.setuid(0), lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(254, 0)), lambda: os.chroot("/")):
        try:
            action()
            escaped("acted as root")
        except OSError:
            pass
