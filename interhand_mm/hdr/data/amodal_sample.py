"""Every field of a sample with amodal masks, named once, as `structures/sample.py` does for a sample of hands.

The samples come from `AIHDataset`, or from a data set of the core through `LoadLimbMasks`. `PackAmodalInputs` derives
its lists from this table.
"""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import numpy as np

from ...structures.sample import ZERO_OR_ONE, Field, fields_of
from ..masks import MASK_NAMES

_MASKS = (len(MASK_NAMES), None, None)


class AmodalSample(TypedDict, total=False):
    """A sample of two hands; the *target* is the hand that the result shows alone."""

    # Names and origin.
    img_path: Annotated[str, Field("path of the image", roles=("metainfo",))]
    sample_id: Annotated[str, Field("name that is unique over data sets", roles=("metainfo",))]
    ann_id: Annotated[int, Field("position in the list, or annotation id", roles=("metainfo",))]
    sample_idx: Annotated[int, Field("position in the data set", roles=("metainfo",))]
    dataset_name: Annotated[str, Field("'aih_syn', 'aih_render', or the core's name", roles=("metainfo",))]
    skipped: Annotated[str, Field("why strict='skip' blanked the sample; else empty", roles=("metainfo",))]
    rng: Annotated[np.random.Generator, Field("the sample's only source of randomness")]

    # Files that an item names.
    clean_path: Annotated[str, Field("image of the target alone (render)", required=False)]
    amodal_path: Annotated[str, Field("the target's amodal mask (render)", required=False)]
    visible_path: Annotated[str, Field("label image of the visible hands (render)", required=False)]
    sources: Annotated[
        list[dict[str, Any]],
        Field("the single hands that are combined (syn): img_path, amodal_path, side", required=False),
    ]
    recipe: Annotated[dict[str, np.ndarray], Field("stored geometry of both hands (syn, not online)", required=False)]

    # Pixels and masks.
    img: Annotated[
        np.ndarray, Field("BGR, both hands", "0-255", (None, None, 3), "uint8", stage="crop", roles=("input",))
    ]
    masks: Annotated[
        np.ndarray, Field("masks, in the order of MASK_NAMES", ZERO_OR_ONE, _MASKS, "uint8", "crop", roles=("data",))
    ]
    masks_valid: Annotated[
        np.ndarray,
        Field(
            "0 for an unknown mask: the other hand's amodal mask in `render`",
            ZERO_OR_ONE,
            (len(MASK_NAMES),),
            stage="crop",
            roles=("data",),
        ),
    ]
    pred_masks: Annotated[
        np.ndarray,
        Field("masks of a segmentor", ZERO_OR_ONE, _MASKS, "uint8", "crop", required=False, roles=("data",)),
    ]
    clean: Annotated[
        np.ndarray,
        Field(
            "BGR, the image with the right and with the left hand alone",
            "0-255",
            (2, None, None, 3),
            "uint8",
            "crop",
            required=False,
            roles=("data",),
        ),
    ]
    clean_valid: Annotated[
        np.ndarray,
        Field("0 for a missing clean image", ZERO_OR_ONE, (2,), stage="crop", required=False, roles=("data",)),
    ]

    # What the image shows.
    target: Annotated[int, Field("0 right, 1 left", required=False, roles=("metainfo",))]
    mirrored: Annotated[
        bool, Field("whether the image is mirrored against its file", required=False, roles=("metainfo",))
    ]
    occlusion_rate: Annotated[
        float, Field("hidden share of the hand behind", "0-1", stage="crop", required=False, roles=("metainfo",))
    ]
    other_in_front: Annotated[
        bool, Field("whether the other hand hides the target", stage="crop", required=False, roles=("metainfo",))
    ]
    hand_type: Annotated[
        np.ndarray,
        Field(
            "presence of the two hands, in data of the core", ZERO_OR_ONE, (1, 2), required=False, roles=("metainfo",)
        ),
    ]


AMODAL_FIELDS = fields_of(AmodalSample)
