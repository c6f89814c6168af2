"""THE mask formulas of de-occlusion and removal (docs/spec/hdr.md, sections 1.2, 1.3 and 5.2).

The *target* hand is the one that shall be seen alone, the *other* hand is what shall vanish. Masks are numbers 0 or
1, not bool, of any dtype and leading shape (..., H, W), numpy or torch alike; a formula's result has its input's
type. *Amodal* is all of a hand, *visible* the part of it that nothing hides.

A picture's four masks stand in one array (4, H, W), right before left, in the order of `MASK_NAMES`.
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
SWAP_SIDES = (2, 3, 0, 1)  # MASK_NAMES of the mirrored picture
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
BACKGROUND, RIGHT_VISIBLE, LEFT_VISIBLE = 0, 1, 2  # values of AIH's rl_visible
DILATION_PX = 9  # of the edited region when composing a result; training never dilates (docs/spec/hdr.md, section 1.3)

Mask = TypeVar("Mask", np.ndarray, "torch.Tensor")
MaskPart = Literal["hand", "limb"]
WarpRule = Literal["half", "floor"]


class EditMasks(NamedTuple, Generic[Mask]):
    """What a picture is edited by, each (..., H, W), 0 or 1, with the letters of docs/spec/hdr.md, section 1.2."""

    hole: Mask  # D: the target is there but hidden, to be filled with hand
    removal: Mask  # R: the other hand beside the target, to be filled with background
    target: Mask  # r_modal: what is seen of the target
    background: Mask  # l_modal: neither hand

    @property
    def target_valid(self) -> Mask:
        """r_vis = 1 - D."""
        return 1 - self.hole

    @property
    def background_valid(self) -> Mask:
        """l_vis = 1 - R."""
        return 1 - self.removal

    @property
    def edited(self) -> Mask:
        """E = 1 - r_vis * l_vis = D or R: where a network's output replaces the picture."""
        return 1 - (1 - self.hole) * (1 - self.removal)


def edit_masks(amodal: Mask, visible: Mask, other_amodal: Mask, other_visible: Mask | None = None) -> EditMasks[Mask]:
    """Masks for one target hand (docs/spec/hdr.md, section 1.2).

    Args:
        amodal: (..., H, W) of the target, A.
        visible: (..., H, W) of the target, V; pixels outside `amodal` do no harm.
        other_amodal: (..., H, W) of the other hand, A'; R = (1 - A) A' and l_modal = (1 - A)(1 - A').
        other_visible: Where A' is not known (AIH_Render), V' stands for it: R = (1 - A) V' and
            l_modal = (1 - V)(1 - V'). Given, it is used in place of `other_amodal`.

    Returns:
        `EditMasks`; r_modal is V within A.
    """
    hole = amodal * (1 - visible)
    if other_visible is not None:
        return EditMasks(hole, (1 - amodal) * other_visible, amodal * visible, (1 - visible) * (1 - other_visible))
    return EditMasks(hole, (1 - amodal) * other_amodal, amodal * visible, (1 - amodal) * (1 - other_amodal))


def of_target(masks: Array, target: int) -> tuple[Array, Array, Array, Array]:
    """Split (..., 4, H, W) masks into A, V, A', V' of the hand `target` (0 right, 1 left), each (..., H, W)."""
    order = (0, 1, 2, 3) if target == 0 else SWAP_SIDES
    amodal, visible, other_amodal, other_visible = (masks[..., i, :, :] for i in order)
    return amodal, visible, other_amodal, other_visible


def stack_visible(rl_visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right and left visible masks, (H, W) uint8 each, of AIH's label image (0 background, 1 right, 2 left)."""
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
    """``(1 - E) image + E restored`` (docs/spec/hdr.md, section 1.3): keep the picture but where it was edited.

    Args:
        image: (..., C, H, W) the picture.
        restored: (..., C, H, W) the network's output.
        edited: (..., H, W) 0 or 1, dilated or not.
    """
    return image * (1 - _channel(edited)) + restored * _channel(edited)


def dilate(mask: Mask, size_px: int = DILATION_PX) -> Mask:
    """Grow masks by an elliptical structuring element, once.

    Args:
        mask: (H, W) numpy, or (..., H, W) torch, which stays on its device.
        size_px: Odd diameter; 1 leaves a mask as it is.

    Returns:
        0 or 1 in the mask's shape; uint8 in numpy, the mask's type in torch.
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
    """Paste another hand onto a picture of one hand (docs/spec/hdr.md, section 5.2).

    In front, ``I = L m_l + R (1 - m_l)``; behind, the same with ``m_l (1 - m_r)``. Either way `target_image`, with
    its real background, is what the picture looks like without the other hand.

    Args:
        target_image: (H, W, 3) R.
        target_amodal: (H, W) m_r, 0 or 1.
        other_image: (H, W, 3) L.
        other_amodal: (H, W) m_l, 0 or 1.
        other_in_front: Whether the other hand hides the target (always so in AIH_Syn) or the target the other hand.

    Returns:
        (H, W, 3) picture and (4, H, W) uint8 target amodal, visible, other amodal, visible.
    """
    m_r, m_l = np.asarray(target_amodal, np.uint8), np.asarray(other_amodal, np.uint8)
    visible, other_visible = (m_r * (1 - m_l), m_l) if other_in_front else (m_r, m_l * (1 - m_r))
    image = np.where(other_visible[..., None] > 0, other_image, target_image)
    return image, np.stack([m_r, visible, m_l, other_visible])


def occlusion_rate(amodal: np.ndarray, visible: np.ndarray) -> float:
    """Share of a hand's pixels that are hidden; 0 for a hand without pixels."""
    total = int(np.count_nonzero(amodal))
    return int(np.count_nonzero(amodal * (1 - visible))) / total if total else 0.0
