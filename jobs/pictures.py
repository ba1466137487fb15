"""The look that all pictures of the jobs share."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, PAPER, NO_DATA = "#1d2733", "#66717d", "#ffffff", "#e4e6e8"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}


def png(figure: Figure, dpi: int) -> bytes:
    """A figure as a PNG, which says that springline made it and nothing else."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, facecolor=PAPER, metadata={"Software": "springline"})
    return stream.getvalue()
