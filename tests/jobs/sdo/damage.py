"""Copies of a file that were cut off or have changed bytes, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from jobs.sdo.irradiance.image import CorruptError, measure

COPIES = 300


def damaged(content: bytes, copies: int = COPIES) -> Iterator[bytes]:
    """A third of the copies is cut off anywhere, in the others 1 to 20 bytes anywhere have another value."""
    rng = np.random.default_rng(20200217)
    for number in range(copies):
        if number % 3 == 0:
            yield content[: rng.integers(len(content))]
            continue
        values = np.frombuffer(content, np.uint8).copy()
        places = rng.choice(values.size, rng.integers(1, 21), replace=False)
        values[places] ^= rng.integers(1, 256, places.size).astype(np.uint8)
        yield values.tobytes()


def outcomes(content: bytes, *, trust: bool = False) -> Counter[str]:
    """How many copies give an error, the right answer, and a wrong one."""
    right = measure(content, trust=trust)
    found: Counter[str] = Counter(error=0, right=0, wrong=0)
    for copy in damaged(content):
        try:
            found["right" if measure(copy, trust=trust) == right else "wrong"] += 1
        except CorruptError:
            found["error"] += 1
    return found
