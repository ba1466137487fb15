"""How kernels are compiled: cached where one may write, without the interpreter's lock, loops vectorised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import llvmlite.binding  # type: ignore[import-untyped]
import numba
from llvmlite import ir
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., object])

# The kernels touch a dozen arrays in one loop; LLVM's default is to give up vectorising beyond 8 alias checks.
llvmlite.binding.set_option("springline", "-runtime-memory-check-threshold=256")


def compiled(function: Kernel) -> Kernel:
    """Compile without the GIL; keep the machine code in numba's cache, or in memory where none is writable."""
    return _compiled(function, False)


def fused(function: Kernel) -> Kernel:
    """The same, and a product may be added without being rounded first: faster, and a NaN stays a NaN."""
    return _compiled(function, {"contract"})


def _compiled(function: Kernel, fastmath: bool | set[str]) -> Kernel:
    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function))
    except RuntimeError:  # neither the package nor the user's cache directory can be written
        return cast(Kernel, numba.njit(nogil=True, error_model="numpy", fastmath=fastmath)(function))


def _larger(_: Any, a: Any, b: Any) -> tuple[Any, Any]:  # noqa: ANN401 - numba's own types
    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:  # noqa: ANN401
        double = ir.DoubleType()
        maxnum = builder.module.declare_intrinsic("llvm.maxnum", [double], ir.FunctionType(double, [double, double]))
        return builder.call(maxnum, arguments)

    return a(a, b), generate


larger = cast(Callable[[float, float], float], intrinsic(_larger))
"""The larger of two float64, or the one that is not NaN: loops over comparisons would not be vectorised."""
