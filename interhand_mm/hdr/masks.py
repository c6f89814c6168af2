"""The mask formulas of de-occlusion and removal (docs/spec/hdr.md, sections 1.2, 1.3 and 5.2).

The *target* hand is the one that the result shows alone, the *other* hand is removed. An *amodal* mask covers all of a
hand, a *visible* mask the part of it that nothing hides. Masks are numbers 0 or 1 (not bool) of any dtype and leading
shape (..., H, W), in numpy or torch; the result of a formula has the type of its input.

The four masks of an image are one array (4, H, W), right before left, in the order of `MASK_NAMES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

import cv2
import numpy as np

from ..structures import mask_bits
from ..structures.camera import Array

if TYPE_CHECKING:
    import torch

MASK_NAMES = ("right_amodal", "right_visible", "left_amodal", "left_visible")
IGNORED = 255  # value of a mask's pixel that adds nothing to a loss, for example outside the image
SWAP_SIDES = (2, 3, 0, 1)  # MASK_NAMES of the mirrored image
# Bits of a mask file, in the order of MASK_NAMES: of the hand alone, and of the limb, that is the hand with its arm.
MASK_BITS = {
    "hand": (mask_bits.RIGHT_AMODAL, mask_bits.RIGHT_VISIBLE, mask_bits.LEFT_AMODAL, mask_bits.LEFT_VISIBLE),
    "limb": (
        mask_bits.RIGHT_LIMB_AMODAL,
        mask_bits.RIGHT_LIMB_VISIBLE,
        mask_bits.LEFT_LIMB_AMODAL,
        mask_bits.LEFT_LIMB_VISIBLE,
    ),
}
BACKGROUND, RIGHT_VISIBLE, LEFT_VISIBLE = 0, 1, 2  # values of the label images rl_visible of AIH
DILATION_PX = 9  # growth of the edited region in composed results; training uses none (docs/spec/hdr.md, section 1.3)

Mask = TypeVar("Mask", np.ndarray, "torch.Tensor")
MaskPart = Literal["hand", "limb"]
WarpRule = Literal["half", "floor"]


class EditMasks(NamedTuple, Generic[Mask]):
    """The masks that an image is edited by, each (..., H, W), 0 or 1 (letters of docs/spec/hdr.md, section 1.2)."""

    hole: Mask  # D: hidden part of the target, to be filled with hand
    removal: Mask  # R: the other hand beside the target, to be filled with background
    target: Mask  # r_modal: visible part of the target
    background: Mask  # l_modal: where there is neither hand

    @property
    def target_valid(self) -> Mask:
        """r_vis = 1 - D, 0 in the hidden part of the target."""
        return 1 - self.hole

    @property
    def background_valid(self) -> Mask:
        """l_vis = 1 - R, 0 on the other hand."""
        return 1 - self.removal

    @property
    def edited(self) -> Mask:
        """E = 1 - r_vis * l_vis = D or R, the region in which the network's output replaces the image."""
        return 1 - (1 - self.hole) * (1 - self.removal)


def edit_masks(amodal: Mask, visible: Mask, other_amodal: Mask, other_visible: Mask | None = None) -> EditMasks[Mask]:
    """Return the edit masks of one target hand (docs/spec/hdr.md, section 1.2).

    Args:
        amodal: (..., H, W), amodal mask A of the target.
        visible: (..., H, W), visible mask V of the target. Pixels outside `amodal` are ignored.
        other_amodal: (..., H, W), amodal mask A' of the other hand; R = (1 - A) A' and l_modal = (1 - A)(1 - A').
        other_visible: Visible mask V' of the other hand, for data without A' (AIH_Render): R = (1 - A) V' and
            l_modal = (1 - V)(1 - V'). If it is given, `other_amodal` is not used.

    Returns:
        The masks; r_modal is V inside A.
    """
    hole = amodal * (1 - visible)
    if other_visible is not None:
        return EditMasks(hole, (1 - amodal) * other_visible, amodal * visible, (1 - visible) * (1 - other_visible))
    return EditMasks(hole, (1 - amodal) * other_amodal, amodal * visible, (1 - amodal) * (1 - other_amodal))


def of_target(masks: Array, target: int) -> tuple[Array, Array, Array, Array]:
    """Split masks (..., 4, H, W) into A, V, A' and V' of the hand `target` (0 right, 1 left), each (..., H, W)."""
    order = (0, 1, 2, 3) if target == 0 else SWAP_SIDES
    amodal, visible, other_amodal, other_visible = (masks[..., i, :, :] for i in order)
    return amodal, visible, other_amodal, other_visible


def stack_visible(rl_visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the visible masks of the right and the left hand, (H, W) uint8, from a label image of AIH."""
    return (rl_visible == RIGHT_VISIBLE).astype(np.uint8), (rl_visible == LEFT_VISIBLE).astype(np.uint8)


def unpack_masks(bits: np.ndarray, part: MaskPart = "hand") -> np.ndarray:
    """Return the four masks (4, H, W) uint8, 0 or 1, of one of our renderer's mask files.

    A clean image loses the other hand together with its arm, so restoration uses the masks of the whole limb.

    Args:
        bits: (H, W) uint8, the file's content.
        part: "hand" for the hand alone, "limb" for the hand with its arm.
    """
    return ((bits[None] & np.array(MASK_BITS[part], np.uint8)[:, None, None]) > 0).astype(np.uint8)


def mask_bbox(mask: np.ndarray) -> np.ndarray | None:
    """Return the tight box (4,) xyxy px of a mask (H, W), or None for an empty mask.

    The box ends at the centers of the outermost pixels (docs/spec/hdr.md, section 1.1).

    >>> mask_bbox(np.array([[0, 0, 0], [0, 1, 1]]))
    array([1., 1., 2., 1.])
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], float)


def warp_mask(mask: np.ndarray, affine: np.ndarray, size: tuple[int, int], rule: WarpRule = "half") -> np.ndarray:
    """Warp a mask bilinearly and make it binary again. Training and inference both use this function.

    Args:
        mask: (H, W), or several masks (N, H, W); 0 or 1.
        affine: (2, 3), from the mask's pixels to those of the result.
        size: (width, height) px of the result.
        rule: "half" sets pixels whose interpolated value is above one half, which keeps outlines where they are.
            "floor" sets pixels that are interpolated from ones alone, as published for pasted hands
            (docs/spec/hdr.md, section 5.2); a mask then loses up to one pixel all around.

    Returns:
        (height, width) or (N, height, width) uint8, 0 or 1.
    """
    if mask.ndim == 3:
        return np.stack([warp_mask(each, affine, size, rule) for each in mask])
    if rule == "floor":
        return cv2.warpAffine(mask.astype(np.float32), affine, size, flags=cv2.INTER_LINEAR).astype(np.uint8)
    soft = cv2.warpAffine(255 * mask.astype(np.uint8), affine, size, flags=cv2.INTER_LINEAR)
    return (soft > 127).astype(np.uint8)


def mirror_masks(masks: Mask, axis: int = -3) -> Mask:
    """Return the masks of the mirrored image: ``x -> W - 1 - x``, right and left exchanged. Twice is the identity.

    Args:
        masks: (..., 4, ..., W), masks or logits.
        axis: Axis that holds the four masks.
    """
    if isinstance(masks, np.ndarray):
        return np.ascontiguousarray(np.flip(np.roll(masks, 2, axis), -1))
    return masks.flip(-1).roll(2, dims=axis)


def _channel(mask: Any) -> Any:
    return mask[..., None, :, :]


def composite(image: Array, restored: Array, edited: Array) -> Array:
    """Replace the edited region of an image: ``(1 - E) image + E restored`` (docs/spec/hdr.md, section 1.3).

    Args:
        image: (..., C, H, W).
        restored: (..., C, H, W), the network's output.
        edited: (..., H, W), 0 or 1, dilated or not.
    """
    return image * (1 - _channel(edited)) + restored * _channel(edited)


def dilate(mask: Mask, size_px: int = DILATION_PX) -> Mask:
    """Grow masks once by an elliptical structuring element.

    Args:
        mask: (H, W) in numpy, or (..., H, W) in torch on any device.
        size_px: Odd diameter in px; 1 leaves a mask as it is.

    Returns:
        The grown mask in the mask's shape, 0 or 1; uint8 in numpy, the mask's dtype in torch.
    """
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size_px, size_px))
    if isinstance(mask, np.ndarray):
        return cv2.dilate(np.ascontiguousarray(mask, np.uint8), element)
    import torch
    from torch.nn import functional as F

    kernel = torch.as_tensor(element, dtype=torch.float32, device=mask.device)[None, None]
    grown = F.conv2d(mask.reshape(-1, 1, *mask.shape[-2:]).float(), kernel, padding=size_px // 2) > 0
    return grown.to(mask.dtype).reshape(mask.shape)


def overlay_hand(
    target_image: np.ndarray,
    target_amodal: np.ndarray,
    other_image: np.ndarray,
    other_amodal: np.ndarray,
    other_in_front: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Paste another hand onto an image of one hand (docs/spec/hdr.md, section 5.2).

    In front, ``I = L m_l + R (1 - m_l)``; behind, the same with ``m_l (1 - m_r)`` instead of ``m_l``. In both cases
    `target_image`, with its real background, is the true image without the other hand.

    Args:
        target_image: (H, W, 3), R.
        target_amodal: (H, W), m_r, 0 or 1.
        other_image: (H, W, 3), L.
        other_amodal: (H, W), m_l, 0 or 1.
        other_in_front: True if the other hand hides the target (always so in AIH_Syn), False for the opposite.

    Returns:
        The image (H, W, 3), and the masks (4, H, W) uint8: target amodal and visible, other amodal and visible.
    """
    m_r, m_l = np.asarray(target_amodal, np.uint8), np.asarray(other_amodal, np.uint8)
    visible, other_visible = (m_r * (1 - m_l), m_l) if other_in_front else (m_r, m_l * (1 - m_r))
    image = np.where(other_visible[..., None] > 0, other_image, target_image)
    return image, np.stack([m_r, visible, m_l, other_visible])


def occlusion_rate(amodal: np.ndarray, visible: np.ndarray) -> float:
    """Return the hidden share of a hand's pixels; 0 for an empty mask.

    >>> occlusion_rate(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 0]]))
    0.25
    """
    total = int(np.count_nonzero(amodal))
    return int(np.count_nonzero(amodal * (1 - visible))) / total if total else 0.0
