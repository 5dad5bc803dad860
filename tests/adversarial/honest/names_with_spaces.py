def after_training():
    with open("notes of the run (final).txt", "w") as file:
        file.write("went well")
