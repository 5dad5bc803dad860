def in_training():
    import resource

    for path in ("/box/settings.json", "/box/candidate/train.py", "/box/train/tokens.npy", "/box/lib/aira_design/__main__.py"):
        for attempt in (lambda: open(path, "a"), lambda: os.remove(path), lambda: os.chmod(path, 0o666)):
            try:
                attempt()
                escaped(f"changed {path}")
            except OSError:
                pass
    for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
        soft, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY:
            escaped(f"limit {limit} is infinite")
        try:
            resource.setrlimit(limit, (hard + 1, hard + 1))
            escaped(f"raised limit {limit}")
        except (OSError, ValueError):
            pass
