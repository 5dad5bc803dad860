"""The order in which a program sees rows: a secret of the laboratory, another one for every task, split and seed.

Many data sets are sorted, and then the place of a row tells its answer. Searches of a laboratory share the scores of a
seed, so that the seed's order is that of all of them.
"""

from collections.abc import Callable
from pathlib import Path

from .tables import read_table, replace_table


class RowOrder:
    def __init__(self, task: str, seed: int, secret: bytes | None) -> None:
        # The package is not there where programs run, and no order is drawn there.
        from aira_design.randomness import stream

        self._stream = lambda split: stream(f"rows of {Path(task).name}: {split}", seed, secret)

    def of(self, split: str) -> Callable[[int], list[int]]:
        """Draws an order of so many rows of this split."""
        return lambda rows: self._stream(split).permutation(rows).tolist()


def shuffle(folder: Path, draw: Callable[[int], list[int]]) -> list[int]:
    """Put the rows of the table in `folder` in an order drawn for it, and return that. Raises NoTable."""
    table = read_table(folder)
    order = draw(table.rows)
    replace_table(folder, table.take(order))
    return order
