def in_training():
    for step in range(300):
        with open("temporary", "wb") as file:
            file.write(bytes(100_000))
        os.replace("temporary", "checkpoint")
    os.remove("checkpoint")
