"""A loaded primitive, and the module that trainers put into a model for it."""

import importlib
import inspect
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from aira_workers.errors import EvaluationError
from aira_workers.primitives.initial import Start
from torch import nn

from .contract import Draw, Recipe, Widths
from .discover import Discovery, Found, PrimitiveFault, discover, sources_now, where

_LONGEST_TITLE, _LONGEST_HINT = 60, 300
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FUNCTIONS = {"parameters": 1, "flops": 2, "cache": 2}


@dataclass(frozen=True)
class Own:
    """A primitive of the user. The formulas take Widths, flops and cache also a sequence length; see docs/primitives.md."""

    token: str
    title: str
    hint: str
    colour: str
    origin: str
    file: str
    digest: str
    layer: type[nn.Module]
    formulas: dict[str, Callable[..., Any]]

    def parameters(self, widths: Widths) -> int:
        return int(self._figure("parameters", widths))

    def flops(self, widths: Widths, length: int) -> float:
        """Forward pass, per token of a sequence of `length` tokens; a multiply-add is two."""
        return float(self._figure("flops", widths, length))

    def cache(self, widths: Widths, length: int) -> int:
        """Numbers that decoding carries along for one sequence after `length` tokens."""
        return int(self._figure("cache", widths, length))

    def _figure(self, name: str, *arguments: Any) -> Any:
        try:
            figure = self.formulas[name](*arguments)
        except Exception as error:
            raise PrimitiveFault(f"{self.origin}, {where(error, self.file)}") from error
        if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not math.isfinite(figure) or figure < 0:
            raise PrimitiveFault(f"{self.origin}: {name} must be a number of at least 0, got {figure!r}")
        return figure


class OwnLayer(nn.Module):
    """The user's layer with the recipes of its start values, by parameter name."""

    def __init__(self, own: Own, widths: Widths, device: str | torch.device = "cpu") -> None:
        super().__init__()
        self.own = own
        draw = Draw(device)
        try:
            self.layer = own.layer(widths, draw)
        except Exception as error:
            raise PrimitiveFault(f"{own.origin}, {where(error, own.file)}") from error
        made = {id(parameter): (recipe, dense) for parameter, recipe, dense in draw.made}
        self._recipes: dict[str, Recipe] = {}
        self._dense: list[str] = []
        for name, parameter in self.layer.named_parameters():
            if id(parameter) not in made:
                raise PrimitiveFault(
                    f"{own.origin}: the parameter {name} is not from `draw`, which gives every start value"
                )
            recipe, dense = made[id(parameter)]
            self._recipes[name] = recipe
            if dense:
                self._dense.append(name)
        if len(self._recipes) != len(draw.made):
            raise PrimitiveFault(
                f"{own.origin}: {len(draw.made) - len(self._recipes)} parameters were drawn but not assigned to the layer"
            )

    @torch.no_grad()
    def start(self, name: str, tensor: torch.Tensor, rng: np.random.Generator, start: Start) -> None:
        """Fill `tensor`, the layer's parameter `name`."""
        tensor.copy_(self._recipes[name](rng, start).detach())

    def names(self) -> list[str]:
        return list(self._recipes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (batch, length, width) -> the same shape."""
        try:
            y = self.layer(x)
        except EvaluationError:
            raise
        except Exception as error:
            if _is_memory(error):
                raise
            raise _Broken(f"{self.own.origin}, {where(error, self.own.file)}") from error
        if not isinstance(y, torch.Tensor) or y.shape != x.shape or y.dtype != x.dtype:
            got = f"{tuple(y.shape)} of {y.dtype}" if isinstance(y, torch.Tensor) else type(y).__name__
            raise _Broken(f"{self.own.origin}: forward must return {tuple(x.shape)} of {x.dtype}, got {got}")
        return y

    def matrices(self) -> list[nn.Parameter]:
        own = dict(self.layer.named_parameters())
        return [own[name] for name in self._dense]


class _Broken(EvaluationError):
    """Thrown when a primitive's code fails in a training."""


def _is_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def load(found: Found) -> Own:
    """Run the module and read what it defines; raises PrimitiveFault."""
    file = found.origin if found.module is None else ""
    try:
        module = _executed(found)
        file = file or str(module.__file__)
    except PrimitiveFault:
        raise
    except (Exception, SystemExit) as error:
        raise PrimitiveFault(f"{found.origin}, {where(error, file)}") from error
    return _parsed(found, module, file)


def _executed(found: Found) -> ModuleType:
    if found.module is not None:
        module = importlib.import_module(found.module)
        if sources_now(found) != found.sources:
            raise PrimitiveFault(f"{found.origin} has changed while it was loaded; start again")
        return module
    # From the bytes that were hashed, not from the file, which may have changed since.
    name = f"aira_own_primitive_{found.token}"
    module = ModuleType(name)
    module.__file__ = found.origin
    sys.modules[name] = module  # dataclasses and torch look modules up by name
    exec(compile(found.sources[0][1], found.origin, "exec"), module.__dict__)
    return module


def _parsed(found: Found, module: ModuleType, file: str) -> Own:
    def refuse(problem: str) -> PrimitiveFault:
        return PrimitiveFault(f"{found.origin}: {problem}")

    texts = {}
    for name, longest in (("TITLE", _LONGEST_TITLE), ("HINT", _LONGEST_HINT), ("COLOUR", 7)):
        text = getattr(module, name, None)
        if not isinstance(text, str) or not text.strip() or len(text) > longest or not text.isprintable():
            raise refuse(f"{name} must be one line of at most {longest} characters")
        texts[name] = text.strip()
    if not _COLOUR.fullmatch(texts["COLOUR"]):
        raise refuse(f"COLOUR must be like #7b5ea7, got {texts['COLOUR']!r}")
    layer = getattr(module, "Layer", None)
    if not (inspect.isclass(layer) and issubclass(layer, nn.Module)):
        raise refuse("Layer must be a subclass of torch.nn.Module")
    if not callable(getattr(layer, "step", None)):
        raise refuse("Layer needs a method step(self, x, state)")
    formulas = {}
    for name, count in _FUNCTIONS.items():
        formula = getattr(module, name, None)
        if not callable(formula):
            raise refuse(f"the function {name} is missing")
        if len(inspect.signature(formula).parameters) != count:
            raise refuse(f"{name} must take {'(widths)' if count == 1 else '(widths, length)'}")
        formulas[name] = formula
    return Own(
        found.token, texts["TITLE"], texts["HINT"], texts["COLOUR"], found.origin, file, found.digest, layer, formulas
    )


@cache
def available() -> Discovery:
    """The primitives of this process, found once: what runs later is what is hashed now."""
    return discover()


@cache
def own(token: str) -> Own:
    """A primitive of this process by name; raises PrimitiveFault."""
    return load(available().get(token))
