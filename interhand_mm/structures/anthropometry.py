"""Sizes of adult hands."""

from __future__ import annotations

import numpy as np

# Fractions of the hand length (wrist crease to middle fingertip). Rows: thumb to pinky. Columns: wrist to digit 1,
# digit 1 to 2, digit 2 to 3, and digit 3 to the tip joint, beyond which there is soft tissue.
SEGMENT_FRACTIONS = np.array(
    [
        [0.205, 0.207, 0.172, 0.140],
        [0.463, 0.232, 0.135, 0.102],
        [0.456, 0.240, 0.156, 0.108],
        [0.431, 0.222, 0.147, 0.107],
        [0.411, 0.180, 0.112, 0.090],
    ]
)

# Mean and standard deviation in mm: men, women.
HAND_LENGTH_MM = ((190.0, 9.8), (177.0, 9.3))
