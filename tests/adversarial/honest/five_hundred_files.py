def after_training():
    os.mkdir("steps")
    for step in range(500):
        with open(f"steps/{step}.json", "w") as file:
            file.write("{}")
