def in_training():
    with open("/tmp/hook.py", "w") as file:
        file.write("raise SystemExit(9)")
    os.environ.update(PYTHONSTARTUP="/tmp/hook.py", LD_PRELOAD="/tmp/evil.so", PYTHONPATH="/tmp", PYTHONHOME="/tmp")
    for name in ("conftest.py", "pyproject.toml", ".pth", "setup.cfg"):
        open(name, "w").close()
