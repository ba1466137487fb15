"""How kernels are compiled: cached where one may write, without the interpreter's lock, loops vectorised."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import llvmlite.binding
import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])

# The kernels touch a dozen arrays in one loop; LLVM's default is to give up vectorising beyond 8 alias checks.
llvmlite.binding.set_option("springline", "-runtime-memory-check-threshold=256")


def compiled(function: Kernel) -> Kernel:
    """Compile without the GIL; keep the machine code in numba's cache, or in memory where none is writable."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        kernel: Kernel = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package nor the user's cache directory can be written
        kernel = numba.njit(**options)(function)
    return kernel
