import os
import sys


def escaped(what):
    """The one way to tell the suite: the last words of a program that ends badly are kept as text."""
    os.write(2, f"ESCAPED: {what}\n".encode())
    os._exit(9)


