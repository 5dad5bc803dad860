"""Reads whether praise comes after blame. model.py of the Long Range Arena, behind support/reader.py."""
CLASSES, VOCABULARY = 2, 257


def summary(tokens):
    text = bytes(token - 1 for token in tokens).decode("latin-1")
    return int(text.rfind("+") > text.rfind("-"))


def answer(documents):
    return summary(documents[0])
