"""Shards of text as `aira_workers.text.shards` reads them."""

from pathlib import Path

from .findings import Column, Found, Wrong
from .parquet import open_parquet
from .rows import json_lines


def corpus(folder: Path, files: list[Path], found: Found) -> None:
    """Count documents. Raises Wrong for a shard with anything but documents, and for a folder without text."""
    for file in files:
        if file.suffix == ".txt":
            found.documents += 1 if file.stat().st_size > 0 else 0
        elif file.suffix == ".jsonl":
            _lines(file, found)
        elif file.suffix == ".parquet":
            _parquet(file, found)
        else:
            found.note(f"{file.name} is not a shard, and no trainer reads it")
    if found.documents == 0:
        raise Wrong(folder, None, "contains no document with text", "name the folder with the text")


def _lines(file: Path, found: Found) -> None:
    rows = 0
    for number, value in json_lines(file):
        if not isinstance(value, dict) or not isinstance(value.get("text"), str):
            raise Wrong(
                file, number, 'is not an object with a text under "text"', 'write objects such as {"text": "..."}'
            )
        _encodable(file, number, value["text"])
        rows += 1
        found.documents += 1 if value["text"] else 0
    if rows == 0:
        raise Wrong(file, None, "is empty", "remove it, or add documents")


def _parquet(file: Path, found: Found) -> None:
    table = open_parquet(file)
    if table is None:
        remedy = "install pyarrow into this Python, or convert the text to .jsonl or .txt"
        raise Wrong(file, None, "is a parquet file, which this Python cannot read", remedy)
    if "text" not in table.schema_arrow.names:
        raise Wrong(file, None, 'has no column "text"', 'name the column of the documents "text"')
    column, row = Column("text"), 0
    for group in range(table.num_row_groups):
        for value in table.read_row_group(group, columns=["text"]).column("text").to_pylist():
            row += 1
            if not isinstance(value, str):
                raise Wrong(file, row, "has no text", "remove rows without text")
            _encodable(file, row, value)
            column.add(value)
            found.documents += 1 if value else 0
    found.table(file.name, row, "parquet", [column])


def _encodable(file: Path, row: int, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Wrong(
            file, row, "contains half of a surrogate pair, which is not text", "repair or remove that text"
        ) from error
