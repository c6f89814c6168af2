"""Sizes of adult hands."""

from __future__ import annotations

import numpy as np

# Fractions of the hand length (wrist crease to middle fingertip). Rows thumb..pinky;
# columns wrist-digit1, digit1-digit2, digit2-digit3, digit3-tip (the tip's pulp comes on top).
SEGMENT_FRACTIONS = np.array(
    [
        [0.205, 0.207, 0.172, 0.140],
        [0.463, 0.232, 0.135, 0.102],
        [0.456, 0.240, 0.156, 0.108],
        [0.431, 0.222, 0.147, 0.107],
        [0.411, 0.180, 0.112, 0.090],
    ]
)


# mean, standard deviation in mm: men, women
HAND_LENGTH_MM = ((190.0, 9.8), (177.0, 9.3))
