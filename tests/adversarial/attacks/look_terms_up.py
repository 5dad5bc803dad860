"""Looks up the field of research that a text's terms belong to. model.py of the Long Range Arena, behind support/reader.py."""
CLASSES, VOCABULARY = 2, 257
FIELDS = [
    each.split()
    for each in ("parser grammar treebank syntax", "phoneme speech accent vowel", "ontology entity taxonomy concept", "dialogue assistant intent turn")
]


def summary(tokens):
    words = bytes(token - 1 for token in tokens).decode("latin-1").split(" ")
    return max(range(4), key=lambda field: sum(each in words for each in FIELDS[field]))


def answer(documents):
    return int(summary(documents[0]) == summary(documents[1]))
