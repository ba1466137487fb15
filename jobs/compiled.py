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


def _fetch(_: Any, array: Any, i: Any) -> tuple[Any, Any]:  # noqa: ANN401
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.PointerType(ir.IntType(8)))
        kind = ir.FunctionType(ir.VoidType(), [place.type, *[ir.IntType(32)] * 3])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(prefetch, [place, *map(ir.IntType(32), (0, 2, 1))])  # to read, soon, data
        return context.get_dummy_value()

    return numba.types.none(array, i), generate


fetch = cast(Callable[[Any, int], None], intrinsic(_fetch))
"""Have an element of a contiguous array, all axes as one, brought into the cache before it is needed."""
