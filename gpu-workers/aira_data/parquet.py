"""Parquet files, as far as this Python can read them."""

from pathlib import Path
from typing import Any

from .findings import Wrong

_MAGIC = b"PAR1"


def open_parquet(file: Path) -> Any | None:
    """A pyarrow.parquet.ParquetFile; None without pyarrow. Raises Wrong for a file that is cut off or no parquet file."""
    remedy = "copy the file again from where it came from"
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(0, file.stat().st_size - 4))
        if head != _MAGIC or stream.read(4) != _MAGIC:
            raise Wrong(file, None, "is no complete parquet file", remedy)
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        return None
    try:
        return parquet.ParquetFile(file)
    except Exception as error:
        raise Wrong(file, None, f"is no readable parquet file: {str(error)[:200]}", remedy) from error
