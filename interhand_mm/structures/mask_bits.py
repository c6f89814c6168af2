"""Bits of a mask file: one 8-bit PNG per image holds eight binary masks.

*Amodal* is the whole hand, including what is hidden; *visible* is the part that nothing hides. A *limb* is a hand with
its arm. Any value above 0 is foreground. Files that `tools/make_synthetic.py` writes use these bits
(docs/datasets/synthetic.md).
"""

from __future__ import annotations

RIGHT_AMODAL, LEFT_AMODAL, RIGHT_VISIBLE, LEFT_VISIBLE = 1, 2, 4, 8
RIGHT_LIMB_AMODAL, LEFT_LIMB_AMODAL, RIGHT_LIMB_VISIBLE, LEFT_LIMB_VISIBLE = 16, 32, 64, 128
