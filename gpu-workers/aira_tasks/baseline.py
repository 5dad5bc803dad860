"""The program that a search starts from if the task directory has none."""

import json
import re
from pathlib import Path
from typing import Any


def default_baseline(values: dict[str, Any]) -> str:
    """constant_baseline.py with these values of its constants; the host writes the same text."""
    text = (Path(__file__).parent / "constant_baseline.py").read_text(encoding="utf-8")
    for name, value in values.items():
        line = f"{name} = {json.dumps(value, ensure_ascii=False)}"
        text, found = re.subn(rf"^{name} = .*$", lambda _: line, text, count=1, flags=re.MULTILINE)
        if found != 1:
            raise KeyError(f"constant_baseline.py has no constant {name}")
    return text
