"""How a grid is cut into blocks and its days into batches: memory follows from these two alone."""

from __future__ import annotations

from jobs.spring_index.reading.source import CSV, Collection

BLOCK_CELLS = 1_000_000
"""Most cells of a block: their state takes 130 bytes each."""
SMALL_BLOCK = 300
"""Chunks smaller than this on a side are taken several at a time."""
POINTS = 32
"""Point files per block."""
BATCH_VALUES = 12_000_000
"""Values read at once, of all variables together, if the time chunks on disk allow: twice as many are no faster."""


def block_shape(collection: Collection, asked: tuple[int, ...] | None, coarsen: int) -> tuple[int, ...]:
    """Output cells per block, which is also the chunk of the result.

    Follows the chunks on disk, so that no chunk is decoded for two blocks, up to BLOCK_CELLS.
    """
    grid = collection.grid
    sizes = tuple(n // coarsen for n in grid.shape)
    if asked:
        full = asked if len(asked) == len(sizes) else asked[:1] * len(sizes)
        return tuple(min(a, n) for a, n in zip(full, sizes, strict=True))
    if grid.is_points:
        first = next(iter(collection.years.values()))["tmin"]
        return (min(POINTS if first.kind == CSV else BLOCK_CELLS, sizes[0]),)
    rows, columns = (_side(n, c) for n, c in zip(grid.shape, collection.chunks[1:] or (0, 0), strict=True))
    if rows * columns > BLOCK_CELLS:
        columns = min(columns, BLOCK_CELLS)
        rows = max(1, BLOCK_CELLS // columns)
    return tuple(max(1, min(b // coarsen, n)) for b, n in zip((rows, columns), sizes, strict=True))


def _side(size: int, chunk: int) -> int:
    """Cells of a block along one axis: whole chunks, or a thousand cells where there are none."""
    if chunk <= 0:
        return min(size, 1000)
    return min(size, chunk * max(1, -(-SMALL_BLOCK // chunk)))


def batch_days(collection: Collection, block: tuple[int, ...], coarsen: int) -> int:
    """Days to read at once: as many as the time chunks hold, else what BATCH_VALUES allows, 4 to 32."""
    cells: int = coarsen ** len(block) * len(next(iter(collection.years.values())))
    for side in block:
        cells *= side
    fit = max(4, min(32, BATCH_VALUES // max(cells, 1)))
    if collection.grid.is_points and not collection.chunks:
        return 366
    return max((fit, *collection.chunks[:1]))
