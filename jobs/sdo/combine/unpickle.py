"""A table out of a pickle, of any pandas since 2019, and nothing else: what a pickle may call is on a list."""

from __future__ import annotations

import gzip
import io
import math
import pickle
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.errors import InputError, JobError

if TYPE_CHECKING:
    import pandas as pd

ALLOWED = {
    "builtins": ("bytearray", "slice"),
    "pandas": ("Categorical", "CategoricalDtype", "DataFrame", "Index", "NA", "RangeIndex", "StringDtype"),
    "pandas._libs.arrays": ("__pyx_unpickle_NDArrayBacked",),
    "pandas._libs.internals": ("_unpickle_block",),
    "pandas.arrays": ("ArrowStringArray", "StringArray"),
    "pandas.core.arrays.categorical": ("Categorical",),
    "pandas.core.arrays.string_": ("StringArray", "StringDtype"),
    "pandas.core.arrays.string_arrow": ("ArrowStringArray",),
    "pandas.core.dtypes.dtypes": ("CategoricalDtype",),
    "pandas.core.frame": ("DataFrame",),
    "pandas.core.indexes.base": ("Index", "_new_Index"),
    "pandas.core.indexes.range": ("RangeIndex",),
    "pandas.core.internals.managers": ("BlockManager",),
    "pyarrow.lib": ("type_for_alias",),
}
"""What a table of numbers, texts and dates is made of: values, and what puts them together."""
MOVED = {
    ("pandas.core.indexes.numeric", "Int64Index"): ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.numeric", "UInt64Index"): ("pandas.core.indexes.base", "Index"),
    ("pandas.core.internals.blocks", "new_block"): ("pandas._libs.internals", "_unpickle_block"),
}
"""Old names and what they became."""


def read_frame(content: bytes, name: str) -> pd.DataFrame:
    """The table of a pickle, packed with gzip or not.

    Raises
    ------
    InputError
        If it is damaged, is no table, or asks for anything that is not on the list, which is named and not called.
    """
    import pandas as pd

    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        found = _Unpickler(io.BytesIO(content)).load()
        if isinstance(found, pd.DataFrame):
            _validate(found)
    except JobError:
        raise
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} is cut off or damaged: {error}.", "Copy it again.") from error
    except Exception as error:  # the bytes are in memory: whatever is raised, MemoryError too, they are wrong
        hint = "Write it as Parquet where it can be read, or name the directory instead."
        why = str(error) or type(error).__name__
        raise InputError(f"{name} is no pickle of a table: {why}.", hint) from error
    if not isinstance(found, pd.DataFrame):
        raise InputError(
            f"{name} holds a {type(found).__name__}, not a table.", "Name a pickled DataFrame, or the directory."
        )
    return found


class _Unpickler(pickle.Unpickler):
    """Finds what is on the list."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - whatever is on the list
        module = {"__builtin__": "builtins"}.get(module, module.replace("numpy.core.", "numpy._core."))
        module, name = MOVED.get((module, name), (module, name))
        if (module, name) in SAFER:
            return SAFER[module, name]
        if name == "DatetimeArray" and module in ("pandas.arrays", "pandas.core.arrays.datetimes"):
            return _dates()
        if name not in ALLOWED.get(module, ()):
            raise InputError(
                f"The pickle asks for {module}.{name}, which no table needs; it was not loaded.",
                "A pickle can run any program: take such a file only as Parquet or CSV.",
            )
        return super().find_class(module, name)


def _latin1(text: str, encoding: str) -> bytes:
    """How old protocols write bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding}")
    return text.encode("latin1")


class _Type:
    """A numpy type as a pickle writes it. A real one would let a pickle say that its bytes are no pointers."""

    def __init__(self, code: str, *_: object) -> None:
        self._code, self._unit = str(code), ""
        self._order: Any = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order and the unit of time; all else is in the code."""
        self._order = "=" if state[1] == "|" else state[1]
        if len(state) > 8 and state[8]:
            unit, number = state[8][1][:2]
            self._unit = f"[{int(number)}{unit.decode('ascii')}]"

    def real(self) -> np.dtype[Any]:
        """The type."""
        found = np.dtype(self._code + self._unit).newbyteorder(self._order)
        if found.kind not in "biufMmSUO":
            raise pickle.UnpicklingError(f"values of type {found}")
        return np.dtype(found)


class _Array(np.ndarray[Any, Any]):
    """An array that a pickle can only make empty, and fill with as many values as fit."""

    def __new__(cls, *memory: object) -> _Array:
        """An empty one."""
        if memory:
            raise pickle.UnpicklingError("an array made of memory")
        return super().__new__(cls, (0,), "b")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take shape, type and values: a list for Python's objects, else bytes."""
        _, shape, kind, fortran, values = state
        found = kind.real()
        if not isinstance(values, list if found.hasobject else bytes):
            raise pickle.UnpicklingError(f"an array of {found} out of {type(values).__name__}")
        if math.prod(shape) * (1 if found.hasobject else found.itemsize) != len(values):
            raise pickle.UnpicklingError(f"an array of another size, {shape}")
        super().__setstate__((1, shape, found, bool(fortran), values))  # type: ignore[arg-type]


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(values: bytes, kind: _Type, shape: tuple[int, ...], order: str = "C", *_: object) -> Any:  # noqa: ANN401
    """Numbers out of bytes; numpy refuses to take objects out of them."""
    return np.frombuffer(bytes(values), kind.real()).reshape(shape, order="F" if order == "F" else "C")


def _buffer(content: bytes) -> Any:  # noqa: ANN401 - an Arrow buffer
    """Bytes for Arrow, in a copy that the pickle cannot change once it was looked at."""
    import pyarrow as pa

    return pa.py_buffer(bytes(content))


def _texts(data: tuple[Any, ...]) -> Any:  # noqa: ANN401 - an Arrow array
    """Texts of Arrow, if their buffers fit together."""
    import pyarrow as pa

    kind, length, nulls, offset, buffers, children, dictionary = data
    if kind not in (pa.string(), pa.large_string()) or children or dictionary is not None:
        raise pickle.UnpicklingError(f"an Arrow array of {kind}")
    found = pa.Array.from_buffers(kind, length, buffers, nulls, offset)
    found.validate(full=True)
    return found


@cache
def _dates() -> type:
    """An array of dates that takes our types."""
    from pandas.arrays import DatetimeArray

    class Dates(DatetimeArray):  # type: ignore[misc, unused-ignore]
        def __setstate__(self, state: Any) -> None:  # noqa: ANN401 - a tuple or, of old, a mapping
            if isinstance(state, dict):
                state = {name: _real(value) for name, value in state.items()}
            super().__setstate__(state if isinstance(state, dict) else tuple(map(_real, state)))

    return Dates


def _real(value: Any) -> Any:  # noqa: ANN401
    return value.real() if isinstance(value, _Type) else value


SAFER = {
    ("_codecs", "encode"): _latin1,
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("pyarrow.lib", "_restore_array"): _texts,
    ("pyarrow.lib", "py_buffer"): _buffer,
}
"""What is called in place of what could take memory as it comes."""


def _validate(frame: pd.DataFrame) -> None:
    """Look whether blocks and codes point to what is there before they are used."""
    import pandas as pd

    shape = len(frame.columns), len(frame.index)
    if any(isinstance(labels.dtype, pd.CategoricalDtype) for labels in frame.axes):
        raise pickle.UnpicklingError("labels that are categories")
    for block in frame._mgr.blocks:
        places, values = block.mgr_locs.as_array, block.values
        if block.shape != (len(places), shape[1]) or not ((places >= 0) & (places < shape[0])).all():
            raise pickle.UnpicklingError("columns of another length")
        if isinstance(values, pd.Categorical):
            known, codes = values.categories, values.codes
            nested = isinstance(known.dtype, pd.CategoricalDtype)
            if nested or not ((codes >= -1) & (codes < len(known))).all():
                raise pickle.UnpicklingError("codes of categories that are not there")
