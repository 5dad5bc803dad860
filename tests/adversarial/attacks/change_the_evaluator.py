def in_training():
    import site

    folders = ["/box/lib/aira_design", "/box/lib", *site.getsitepackages(), "/usr/lib/python3", "/usr/bin"]
    for folder in folders:
        for name in ("evil.pth", "sitecustomize.py", "usercustomize.py", "conftest.py", "__pycache__/x.pyc", "numpy.py"):
            try:
                with open(f"{folder}/{name}", "w") as file:
                    file.write("raise SystemExit")
                escaped(f"wrote {folder}/{name}")
            except OSError:
                pass
    for name in ("aira_evaluator", "vitest"):
        try:
            __import__(name)
            escaped(f"imported {name}")
        except ImportError:
            pass
