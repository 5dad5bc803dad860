"""Documents of a folder of text: `*.txt` (one document a file), `*.jsonl` (key "text"), `*.parquet` (column "text").

Files are read in the order of their names, documents in the order of the file. Whole documents: nothing is cut off.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from aira_workers.errors import InvalidCandidate

SUFFIXES = (".jsonl", ".parquet", ".txt")


def text_files(folder: Path) -> list[Path]:
    """The files of `folder` that hold text, at any depth; raises InvalidCandidate when there are none."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in SUFFIXES)
    if not found:
        raise InvalidCandidate(f"{folder} holds no file of text ({', '.join(SUFFIXES)})")
    return found


def read_documents(file: Path) -> Iterator[str]:
    """Yield the documents of one file that are not empty; raise InvalidCandidate naming file and row of one that is unreadable."""
    reader = {".txt": _plain, ".jsonl": _json_lines, ".parquet": _parquet}[file.suffix]
    return (document for document in reader(file) if document)


def _plain(file: Path) -> Iterator[str]:
    try:
        yield file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidCandidate(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def _json_lines(file: Path) -> Iterator[str]:
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidCandidate(f"{file} line {number} is not an object with a text") from error
            if not isinstance(text, str):
                raise InvalidCandidate(f"{file} line {number}: text is not a string")
            yield text


def _parquet(file: Path) -> Iterator[str]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise InvalidCandidate(
            f"{file.name} is a parquet file; install pyarrow, or bring text or JSON lines"
        ) from error
    try:
        table = parquet.ParquetFile(file)
        for batch in table.iter_batches(columns=["text"]):
            for row, text in enumerate(batch.column(0).to_pylist()):
                if not isinstance(text, str):
                    raise InvalidCandidate(f"{file}: row {row} of a batch has no text")
                yield text
    except (OSError, ValueError, KeyError) as error:
        raise InvalidCandidate(f"{file} is no parquet file with a column text: {str(error)[:200]}") from error
