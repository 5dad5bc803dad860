"""Counts words of praise and blame, turned by a negation. model.py of the Long Range Arena, behind support/reader.py."""
CLASSES, VOCABULARY = 2, 257
PRAISE = "warm sharp moving clever graceful honest funny tender bold vivid fresh superb".split()
BLAME = "dull clumsy hollow tired noisy shallow dreary stale muddled wooden bland awful".split()


def summary(tokens):
    balance = 0
    for clause in bytes(token - 1 for token in tokens).decode("latin-1").split(". "):
        words = clause.split()
        sign = -1 if any(each in words for each in ("not", "never", "hardly")) else 1
        balance += sign * (sum(each in words for each in PRAISE) - sum(each in words for each in BLAME))
    return int(balance > 0)


def answer(documents):
    return summary(documents[0])
