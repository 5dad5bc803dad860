def in_prediction(folder):
    with open("/tmp/scratch", "w") as file:
        file.write("thinking")
    print(sorted(os.listdir(folder)))


def wrap(answer):
    return lambda tokens: answer(tokens).contiguous().clone()
