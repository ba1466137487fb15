"""The extended spring indices: coefficients and variants, compiled arithmetic, days carried through it. On arrays."""
