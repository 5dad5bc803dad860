def in_training():
    for step in range(20_000):
        print(f"step {step}: loss {1 / (step + 1):.6f}, tokens per second 123456")
