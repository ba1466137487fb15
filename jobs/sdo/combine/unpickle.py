"""A table out of a pickle, of any pandas since 2019, and nothing else: what a pickle may call is on a list."""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from typing import TYPE_CHECKING, Any

from jobs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ALLOWED = {
    "builtins": ("slice",),
    "numpy": ("dtype", "ndarray"),
    "numpy._core.multiarray": ("_reconstruct",),
    "numpy._core.numeric": ("_frombuffer",),
    "pandas": ("Categorical", "CategoricalDtype", "DataFrame", "Index", "RangeIndex", "StringDtype"),
    "pandas._libs.arrays": ("__pyx_unpickle_NDArrayBacked",),
    "pandas._libs.internals": ("_unpickle_block",),
    "pandas.arrays": ("ArrowStringArray", "DatetimeArray", "StringArray"),
    "pandas.core.arrays.categorical": ("Categorical",),
    "pandas.core.arrays.datetimes": ("DatetimeArray",),
    "pandas.core.arrays.string_": ("StringArray", "StringDtype"),
    "pandas.core.arrays.string_arrow": ("ArrowStringArray",),
    "pandas.core.dtypes.dtypes": ("CategoricalDtype",),
    "pandas.core.frame": ("DataFrame",),
    "pandas.core.indexes.base": ("Index", "_new_Index"),
    "pandas.core.indexes.range": ("RangeIndex",),
    "pandas.core.internals.managers": ("BlockManager",),
    "pyarrow.lib": ("_restore_array", "py_buffer", "type_for_alias"),
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
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} is cut off or damaged: {error}.", "Copy it again.") from error
    except (pickle.UnpicklingError, TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        hint = "Write it as Parquet where it can be read, or name the directory instead."
        raise InputError(f"{name} is no pickle of a table: {error}.", hint) from error
    if not isinstance(found, pd.DataFrame):
        raise InputError(f"{name} holds a {type(found).__name__}, not a table.")
    _validate(found)
    return found


class _Unpickler(pickle.Unpickler):
    """Finds what is on the list."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - whatever is on the list
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        module = {"__builtin__": "builtins"}.get(module, module.replace("numpy.core.", "numpy._core."))
        module, name = MOVED.get((module, name), (module, name))
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


def _validate(frame: pd.DataFrame) -> None:
    """Arrow takes the buffers of a pickle as they are: look whether they fit together before they are used."""
    import pyarrow as pa

    for _, column in frame.items():
        chunks = getattr(column.array, "__arrow_array__", None)
        if chunks is not None and "Arrow" in type(column.array).__name__:
            try:
                chunks().validate(full=True)
            except pa.ArrowInvalid as error:
                raise InputError(f"Column {column.name} of the pickle is damaged: {error}.") from error
