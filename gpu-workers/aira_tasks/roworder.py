"""The order in which a program sees rows: drawn from the lab's secret, separately for every task, split and seed.

Many data sets are sorted, so the position of a row would reveal its answer. Searches of a lab share the scores of a
seed, and therefore its order.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Optional

from .tables import read_table, replace_table


class RowOrder:
    def __init__(self, task: str, seed: int, secret: Optional[bytes]) -> None:
        # Imported late: programs run without this package, and draw no order.
        from aira_design.randomness import stream

        self._stream = lambda split: stream(f"rows of {Path(task).name}: {split}", seed, secret)

    def of(self, split: str) -> Callable[[int], list[int]]:
        """A function that draws an order of N rows of this split."""
        return lambda rows: self._stream(split).permutation(rows).tolist()


def shuffle(folder: Path, draw: Callable[[int], list[int]]) -> list[int]:
    """Shuffle the rows of the table in `folder` and return the order. Raises NoTable."""
    table = read_table(folder)
    order = draw(table.rows)
    replace_table(folder, table.take(order))
    return order
