"""Sizes of a hand and arm, sampled for each subject from published anthropometry.

Sources (facts only):
- hand length and breadth, wrist and forearm girth: Gordon et al., 1988 Anthropometric Survey of US Army
  Personnel (NATICK/TR-89/044), men and women;
- segment lengths as fractions of the hand length: Buchholz, Armstrong and Goldstein, Ergonomics 35 (1992) 261-273;
- finger breadths at the interphalangeal joints: DIN 33402-2;
- InterHand2.6M places "wrist" at the wrist crease, "thumb1" between carpus and metacarpal, and "4" at the very end of
  the fingertip. The two proximal segments of the thumb and the pulp at the end of each finger are adjusted to this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...structures.anthropometry import HAND_LENGTH_MM, SEGMENT_FRACTIONS

PULP_MM = 2.5
SEGMENT_SPREAD = 0.035  # relative standard deviation of one segment about its fraction

# Mean and standard deviation: men, women.
HAND_BREADTH_MM = ((90.4, 4.2), (79.4, 3.8))
WRIST_GIRTH_MM = ((174.0, 8.2), (151.0, 7.1))
FOREARM_GIRTH_MM = ((285.0, 17.0), (243.0, 15.0))
FOREARM_LENGTH_MM = ((262.0, 14.0), (238.0, 13.0))

# Half breadths in mm of the fingers of a hand that is 90 mm broad. Rows are thumb to pinky; columns are digits 1, 2, 3
# and the end of the fingertip.
HALF_BREADTHS_MM = np.array(
    [
        [13.2, 11.4, 10.6, 8.2],
        [10.4, 9.7, 8.2, 6.9],
        [10.5, 9.9, 8.4, 7.0],
        [10.0, 9.2, 7.9, 6.6],
        [9.0, 8.0, 6.9, 5.8],
    ]
)


@dataclass(frozen=True)
class HandSize:
    """Sizes of one subject.

    Attributes:
        segments_mm: (5, 4) bone lengths. Rows: thumb to pinky. Columns: wrist-digit1, digit1-2, digit2-3, digit3-tip.
        half_breadths_mm: (5, 4) half breadths of the fingers at digits 1, 2, 3 and at the end of the fingertip.
        breadth_mm: Hand breadth across the four finger knuckles.
        thickness: Finger thickness divided by finger breadth.
        wrist_half_mm: (2,) half breadth and half thickness of the wrist.
        forearm_half_mm: Half breadth of the forearm where it is thickest.
        forearm_length_mm: Distance from wrist to elbow.
        nail_length: Relative length of the nails; a nail of length 1 ends at the fingertip.
        female: Whether the sizes come from the women's distribution.
    """

    segments_mm: np.ndarray
    half_breadths_mm: np.ndarray
    breadth_mm: float
    thickness: float
    wrist_half_mm: tuple[float, float]
    forearm_half_mm: float
    forearm_length_mm: float
    nail_length: float
    female: bool


def sample_hand_size(rng: np.random.Generator) -> HandSize:
    """Sample one adult subject. Breadth and length of the hand are correlated as in adults (about 0.5)."""
    female = bool(rng.random() < 0.5)
    stature = np.clip(rng.standard_normal(), -2.2, 2.2)  # shared by all sizes: tall people have long and broad hands

    def draw(table: tuple, correlation: float) -> float:
        mean, std = table[female]
        own = np.clip(rng.standard_normal(), -2.0, 2.0)
        return float(mean + std * (correlation * stature + np.sqrt(1 - correlation**2) * own))

    length = draw(HAND_LENGTH_MM, 0.8)
    breadth = draw(HAND_BREADTH_MM, 0.5)
    wrist_girth, forearm_girth = draw(WRIST_GIRTH_MM, 0.4), draw(FOREARM_GIRTH_MM, 0.3)
    segments = SEGMENT_FRACTIONS * length * (1 + SEGMENT_SPREAD * np.clip(rng.standard_normal((5, 4)), -2, 2))
    segments[:, 3] += PULP_MM * rng.uniform(0.7, 1.3)
    slimness = rng.normal(1.0, 0.05)
    half = HALF_BREADTHS_MM * (breadth / 90.0) * np.clip(slimness, 0.9, 1.12) * rng.normal(1.0, 0.015, (5, 1))
    # The girth of an ellipse with axes 3:2 is 2.53 times its long axis (Ramanujan's formula).
    wrist_half = wrist_girth / 5.29
    return HandSize(
        segments_mm=segments,
        half_breadths_mm=half,
        breadth_mm=breadth,
        thickness=float(rng.uniform(0.86, 0.95)),
        wrist_half_mm=(wrist_half * 0.94, wrist_half * 0.68),
        forearm_half_mm=forearm_girth / (2 * np.pi) * 1.04,
        forearm_length_mm=draw(FOREARM_LENGTH_MM, 0.7),
        nail_length=float(rng.uniform(1.05, 1.3) if female and rng.random() < 0.4 else rng.uniform(0.88, 1.03)),
        female=female,
    )
