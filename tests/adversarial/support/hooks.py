

def hook(name, *arguments):
    if name in globals():
        globals()[name](*arguments)


honest_load = load


def load(folder):
    hook("in_prediction", folder)
    answer = honest_load(folder)
    return wrap(answer) if "wrap" in globals() else answer


if __name__ == "__main__":
    hook("in_training")
    main()
    hook("after_training")
