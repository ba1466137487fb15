"""How kernels are compiled: cached where one may write, without the interpreter's lock, loops vectorised."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import llvmlite.binding  # type: ignore[import-untyped]
import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])

# The kernels touch a dozen arrays in one loop; LLVM's default is to give up vectorising beyond 8 alias checks.
llvmlite.binding.set_option("springline", "-runtime-memory-check-threshold=256")


def compiled(function: Kernel) -> Kernel:
    """Compile without the GIL; keep the machine code in numba's cache, or in memory where none is writable."""
    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # neither the package nor the user's cache directory can be written
        return cast(Kernel, numba.njit(nogil=True, error_model="numpy")(function))
