"""How a residual is coloured, in the viewer and in pictures."""

from typing import Final

RESIDUAL_COLORS: Final = (
    (0.62, 0.88, 1.0),
    (0.10, 0.45, 0.85),
    (0.0, 0.0, 0.0),
    (0.85, 0.35, 0.05),
    (1.0, 0.88, 0.60),
)
"""RGB in [0, 1] at equal steps from minus to plus the range.

Zero is black, so that on a dark canvas only what differs lights up: blue where the reconstruction is brighter
than the original, orange where it is darker.
"""

RESIDUAL_RANGE: Final = 0.1
"""Residuals are shown from minus to plus this, on the volume's scale, until another range is asked for."""
