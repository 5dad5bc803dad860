"""The engine's C interface in ctypes, field by field as engine/shape.hpp, engine/model.hpp and engine/interface.cpp."""

import ctypes
from ctypes import POINTER, Structure, c_double, c_float, c_int32, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

from .build import Unavailable

Int32s, Int64s, Floats = POINTER(c_int32), POINTER(c_int64), POINTER(c_float)


class Shape(Structure):
    _fields_ = [
        (name, c_int32)
        for name in (
            *("layers", "width", "heads", "attention_bias", "ffn_inner", "ssm_inner", "ssm_heads", "ssm_state"),
            *("ssm_conv", "norm_gain", "vocabulary", "decoder", "decoder_inner", "length", "sequences", "block"),
        )
    ]


class Batch(Structure):
    _fields_ = [
        ("sequences", c_int32),
        ("tokens", Int32s),
        ("asked", c_int32),
        ("rows", Int32s),
        ("decode_first", c_int32),
        ("decode_count", c_int32),
        ("labels", Int32s),
        ("weights", Floats),
    ]


class Rates(Structure):
    _fields_ = [
        *((name, c_double) for name in ("clip", "matrix_lr", "momentum", "lr", "beta1", "beta2", "eps")),
        ("weight_decay", c_double),
        ("muon_steps", c_int32),
    ]


def load(path: Path, lanes: int, rounds: bool = False) -> ctypes.CDLL:
    """The library with typed functions; raises Unavailable when it cannot be loaded or is of another variant."""
    try:
        library = ctypes.CDLL(str(path))
        library.aira_lanes.restype = c_int32
        library.aira_rounds.restype = c_int32
        library.aira_open.restype = c_void_p
        library.aira_open.argtypes = [
            *(POINTER(Shape), Int32s, Floats, Floats, Int64s, c_int64, c_int64, Floats, Floats, Floats)
        ]
        library.aira_close.argtypes, library.aira_close.restype = [c_void_p], None
        library.aira_gradients.argtypes = [c_void_p, POINTER(Batch), Floats, Floats]
        library.aira_update.argtypes, library.aira_update.restype = [c_void_p, POINTER(Rates)], None
        library.aira_answers.argtypes = [c_void_p, c_int32, Int32s, c_int32, Int32s]
    except (OSError, AttributeError) as error:
        raise Unavailable(f"the compiled engine cannot be loaded: {error}") from error
    if library.aira_lanes() != lanes:
        raise Unavailable(f"the compiled engine in {path} has another vector width")
    if library.aira_rounds() != int(rounds):
        raise Unavailable(f"the compiled engine in {path} computes in another precision")
    return library


_DTYPES = {Int32s: np.int32, Int64s: np.int64, Floats: np.float32}


def pointer(array: np.ndarray, kind: Any) -> Any:
    """A typed pointer to a contiguous array of exactly the type; it keeps the array alive."""
    if array.dtype != _DTYPES[kind] or not array.flags.c_contiguous:
        raise TypeError(f"expected a contiguous array of {_DTYPES[kind].__name__}, got {array.dtype}")
    return array.ctypes.data_as(kind)
