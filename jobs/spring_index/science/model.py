"""The extended spring indices (SI-x) as values: plants, coefficients, variants.

The model's other numbers (31 °F, 28 °F, 637 °F h, a leaf a day later) are constants of the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PLANTS = ("lilac", "arnold_red", "zabeli")
PLANT_NAMES = {
    "lilac": "Syringa × chinensis 'Red Rothomagensis'",
    "arnold_red": "Lonicera tatarica 'Arnold Red'",
    "zabeli": "Lonicera korolkowii 'Zabeli'",
}
TRIGGER = 999.5
"""An event is due when the weighted sum of its predictors gets here (nominally 1000)."""

# Weights of MDS0 [d], SYNOP [d], DDE2 and DD57 [°F h]; rows in the order of PLANTS (Ault et al. 2015).
LEAF_WEIGHTS = (
    (3.306, 13.878, 0.201, 0.153),
    (4.266, 20.899, 0.000, 0.248),
    (2.802, 21.433, 0.266, 0.000),
)
# Weights of MDS0 [d] and AGDH [°F h].
BLOOM_WEIGHTS = ((-23.934, 0.116), (-24.825, 0.127), (-11.368, 0.096))


@dataclass(frozen=True)
class Window:
    """Days of year, from 1, in which leaf, bloom and freeze are searched; both ends included."""

    first: int
    last: int

    @property
    def days(self) -> int:
        """Number of days in the window."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Variant:
    """One published formulation of the model: the switches in which the implementations differ."""

    name: str
    summary: str
    window: Window = Window(1, 240)
    strict_trigger: bool = False
    """True: the sum must exceed TRIGGER; False: reaching it is enough."""
    lag_check: bool = True
    """Keep each day's extremes consistent with the day before."""
    guards: bool = True
    """The toolbox's protections of 0 °F minima and of days without a daily range."""
    skip_cold: bool = False
    """Days with a maximum below the GDH base are left out, as if they did not exist."""
    edge_padding: bool = False
    """All seven days before the window are like its first; otherwise two, the others count 0 GDH."""
    gap_counts_zero: bool = False
    """A missing day after the leaf adds nothing to AGDH; otherwise it makes the bloom unknown."""
    bloom_start: int = 0
    """Days after the leaf on which heat for the bloom begins to count."""
    bloom_day_zero: int = 0
    """Value of the bloom's MDS0 on that first day."""
    single: bool = False
    """float32 input stays float32 through the unit conversions."""
    zero_based: bool = False
    """Dates are array indices (day of year − 1), as the tutorial stores them."""


CORRECTED = Variant("corrected", "the published model with the cold-day fix of Allstadt et al. 2015")
VARIANTS = {
    variant.name: variant
    for variant in (
        CORRECTED,
        replace(CORRECTED, name="matlab-2015", summary="the MATLAB toolbox as released", skip_cold=True),
        replace(CORRECTED, name="npn", summary="USA-NPN's operational code", bloom_start=1),
        Variant(
            "rsdat",
            "the RS-DAT tutorial's dates exactly, index offset included",
            window=Window(1, 300),
            strict_trigger=True,
            lag_check=False,
            guards=False,
            edge_padding=True,
            gap_counts_zero=True,
            bloom_day_zero=1,
            single=True,
            zero_based=True,
        ),
    )
}
