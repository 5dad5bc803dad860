"""Primitives of a user: layers from Python files of their own, next to M, mA and Mb. docs/primitives.md is for their authors.

    contract.py   what a module defines and what it is given
    discover.py   which modules there are, and their digests; runs none of them
    own.py        a loaded module, and the layer that trainers build from it
    check.py      the validation
    describe.py   what a host knows of a primitive

Role: everything between a user's file and the trainers (`aira_workers`, `aira_scale`). Invariants:
PRM-1  A module runs only once a candidate, a job or a command names its primitive.
PRM-2  What runs is what was hashed: the digest is part of the evaluator version of every search that may use the primitive.
PRM-3  A fault of a module is one sentence with file and line.
"""

from .contract import Draw, Widths, rotate

__all__ = ["Draw", "Widths", "rotate"]
