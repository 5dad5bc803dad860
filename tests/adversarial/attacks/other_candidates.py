def in_training():
    import glob

    for pattern in ("/tmp/aira-*", "/box/*/model.py", "/box/candidate/*", "/var/lib/*", "/home/*", "/root/*", "/tmp/*/candidate"):
        for path in glob.glob(pattern):
            if path != "/box/candidate/train.py":
                escaped(f"found {path}")
