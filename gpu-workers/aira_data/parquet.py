"""Parquet files, as far as this Python can read them."""

from pathlib import Path
from typing import Any, Optional

from .findings import Wrong

_MAGIC = b"PAR1"


def open_parquet(file: Path) -> Optional[Any]:
    """A pyarrow.parquet.ParquetFile; None without pyarrow. Raises Wrong for a truncated file, or one that is not parquet."""
    remedy = "copy the file again from its source"
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(0, file.stat().st_size - 4))
        if head != _MAGIC or stream.read(4) != _MAGIC:
            raise Wrong(file, None, "is not a complete parquet file", remedy)
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        return None
    try:
        return parquet.ParquetFile(file)
    except Exception as error:
        raise Wrong(file, None, f"is not a readable parquet file: {str(error)[:200]}", remedy) from error
