def in_prediction(folder):
    for path, _, names in os.walk("/box"):
        if path.startswith("/box/lib"):
            continue
        for name in names:
            if "target" in name or "hidden" in name or "label" in name or "rows" in name or "tokens" in name:
                escaped(f"found {path}/{name}")
    for folder in ("/box/train", "/box/inputs"):
        if os.path.exists(folder):
            escaped(f"{folder} is there")


def in_training():
    in_prediction("")
