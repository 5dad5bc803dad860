def wrap(answer):
    return lambda tokens: answer(tokens) * float("nan")
