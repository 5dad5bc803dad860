def in_training():
    for folder, folders, names in os.walk("/"):
        if folder in ("/proc", "/sys"):
            folders.clear()
        for name in names:
            path = f"{folder}/{name}"
            if name.endswith((".safetensors", ".gguf", ".ckpt", ".pth", ".onnx")):
                if os.path.isfile(path) and os.path.getsize(path) > 5_000_000:
                    escaped(f"found {path}")
