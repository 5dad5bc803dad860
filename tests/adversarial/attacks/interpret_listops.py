"""Reads the expression and works it out. model.py of the Long Range Arena, behind support/reader.py."""
CLASSES, VOCABULARY = 10, 16


def summary(tokens):
    stack = [[]]
    for token in tokens:
        if 11 <= token <= 14:
            stack.append([token])
        elif token < 11:
            stack[-1].append(token - 1)
        elif len(stack) > 1:
            name, *values = stack.pop()
            values = sorted(values) or [0]
            stack[-1].append((values[0], values[-1], int((values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2), sum(values) % 10)[name - 11])
    return (stack[0] or [0])[0]


def answer(documents):
    return summary(documents[0])
