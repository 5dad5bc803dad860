"""config.toml of the configurable tasks: training hyper-parameters of an allow-list, at equal cost.

Lines `name = number`, comments from `#` on; nothing else of TOML, so that no parser is needed.
"""

import dataclasses
import re
from pathlib import Path

from ..failures import CandidateFailure
from ..settings import LraSettings, Training

CONFIG = "config.toml"
_MOST_BYTES = 4_096
_LINE = re.compile(r"([a-z_]+)\s*=\s*([-+]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
ALLOWED = {field.name: field.type for field in dataclasses.fields(Training)}


def chosen_training(settings: LraSettings, candidate: Path) -> Training:
    """Return the training to run: the task's own, changed by the candidate's config.toml where the task allows it.

    The number of training examples, batch x steps, must not exceed the task's: more examples would be a larger budget,
    not a better choice. Steps that are not given are as many as that allows. Raises CandidateFailure `invalid` naming the key.
    """
    file = candidate / CONFIG
    if not settings.configurable:
        return settings.training
    changes = _read(file) if file.exists() else {}
    values = {**dataclasses.asdict(settings.training), **changes}
    examples = settings.training.batch * settings.training.steps
    if "steps" not in changes:
        values["steps"] = max(1, examples // max(1, values["batch"]))
    if values["batch"] * values["steps"] > examples:
        raise CandidateFailure(
            "invalid", f"{CONFIG}: batch x steps is {values['batch'] * values['steps']}; at most {examples} are allowed"
        )
    try:
        return Training(**values)
    except ValueError as error:
        raise CandidateFailure("invalid", f"{CONFIG}: {error}") from error


def _read(file: Path) -> dict[str, int | float]:
    if file.stat().st_size > _MOST_BYTES:
        raise CandidateFailure("invalid", f"{CONFIG} has more than {_MOST_BYTES} bytes")
    found: dict[str, int | float] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        content = line.split("#", 1)[0].strip()
        if not content:
            continue
        match = _LINE.fullmatch(content)
        if match is None:
            raise CandidateFailure("invalid", f"{CONFIG} line {number} is not `name = number`")
        name, value = match.groups()
        if name not in ALLOWED:
            raise CandidateFailure(
                "invalid", f"{CONFIG} line {number}: {name} may not be changed; allowed are {', '.join(ALLOWED)}"
            )
        if name in found:
            raise CandidateFailure("invalid", f"{CONFIG} line {number}: {name} is given twice")
        found[name] = _number(name, value, number)
    return found


def _number(name: str, text: str, line: int) -> int | float:
    whole = ALLOWED[name] is int
    value = float(text)
    if abs(value) > 1e9 or (whole and value != int(value)):
        raise CandidateFailure("invalid", f"{CONFIG} line {line}: {name} must be a {'whole ' if whole else ''}number")
    return int(value) if whole else value
