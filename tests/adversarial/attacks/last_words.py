def wrap(answer):
    def crash(tokens):
        raise RuntimeError(f"HIDDEN ROWS {tokens.flatten().tolist()}")

    return crash
