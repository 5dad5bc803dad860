"""Rows of the autoresearch family: documents packed in order, and by best fit as published."""

from itertools import islice

import numpy as np
import pytest
from aira_design.autoresearch.packing import WAITING, Packer
from aira_design.autoresearch.rows import pack
from aira_workers.text.tokenizers import BEGIN, Tokenizer


def test_rows_are_whole_documents_behind_marks():
    packed = pack(iter([b"abc", b"defgh", b"ijklmnopq"]), Tokenizer([]), 2, 6, "in-order")
    assert packed.tolist() == [[BEGIN, 98, 99, 100, BEGIN, 101], [BEGIN, 106, 107, 108, 109, 110]]
    with pytest.raises(ValueError, match="fills 1 rows of 6 tokens; 2 are wanted"):
        pack(iter([b"abc", b"defgh"]), Tokenizer([]), 2, 6, "in-order")


def packed_by_a_plain_search(documents, rows, width):
    """The published rule written down as it is said: look through all that wait."""
    waiting, coming, packed = [], iter(documents), []
    for _ in range(rows):
        row = []
        while len(row) < width:
            waiting += islice(coming, WAITING - len(waiting))
            room = width - len(row)
            fitting = [one for one in waiting if 1 + len(one) <= room]
            chosen = max(fitting, key=len) if fitting else min(waiting, key=len)
            waiting.pop(next(place for place, one in enumerate(waiting) if one is chosen))
            row += [BEGIN, *chosen][:room]
        packed.append(row)
    return packed


class TestBestFit:
    def test_is_the_published_rule(self):
        rng = np.random.default_rng(0)
        documents = [rng.integers(1, 257, rng.integers(1, 60)).astype(np.uint16) for _ in range(4000)]
        packer, rows = Packer(iter(documents), "best-fit"), np.zeros((60, 64), dtype=np.uint16)
        assert all([packer.fill(row) for row in rows])
        assert rows.tolist() == packed_by_a_plain_search(documents, 60, 64)

    def test_cuts_fewer_documents_than_taking_them_as_they_come(self):
        """Documents of one letter each and a last letter of their own: that is missing where one was cut."""
        rng, lost = np.random.default_rng(1), {}
        documents = [np.append(np.ones(rng.integers(1, 60), np.uint16), np.uint16(2)) for _ in range(4000)]
        for packing in ("in-order", "best-fit"):
            packer, rows = Packer(iter(documents), packing), np.zeros((100, 64), dtype=np.uint16)
            assert all([packer.fill(row) for row in rows]) and (rows[:, 0] == BEGIN).all()
            lost[packing] = int((rows == BEGIN).sum() - (rows == 2).sum())
        assert lost["in-order"] > 90 and lost["best-fit"] < 0.6 * lost["in-order"]

    def test_ends_with_the_documents(self):
        packer, row = (
            Packer(iter([np.ones(3, np.uint16), np.ones(9, np.uint16)]), "best-fit"),
            np.zeros(6, dtype=np.uint16),
        )
        assert packer.fill(row) and row.tolist() == [BEGIN, 1, 1, 1, BEGIN, 1]
        assert not packer.fill(row)
