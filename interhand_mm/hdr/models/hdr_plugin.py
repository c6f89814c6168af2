"""The HDR plugin: segment both hands, restore each one alone, and estimate its pose as that of a right hand.

``model=dict(type="InterHandEstimator", hdr=dict(type="HDRPlugin", segmentor=..., inpaintor=..., pose=...))``
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from ...checkpoints.io import load_checked
from ...errors import ConfigError, DataContractError
from ...models.plugin import build_part
from ...models.preprocessing import denormalize, normalize
from ...registry import MODELS
from ...structures.camera import apply_affine, invert_affine
from ...structures.joints import NUM_HAND_JOINTS
from ..clean_hands import CleanHands, RestoredHands
from ..hand_crop import PUBLISHED_ENLARGE, hand_affine, hand_bbox, largest_part, scale_affine, warp_images
from ..inpaint_fill import hole_masks
from ..masks import MASK_NAMES, SWAP_SIDES, composite, dilate, edit_masks, warp_mask
from .segmentor import segment

MaskSource = Literal["pred", "gt"]


@dataclass(frozen=True)
class HDROptions:
    """What a forward pass does with the hands that it finds.

    Attributes:
        removal: Whether the other hand is painted over with background.
        deocclusion: Whether the hidden part of the hand is painted in. With neither, the pose is estimated from the
            hand's crop as it is.
        masks: "pred" for the segmentor's masks, "gt" for the samples' own `masks` (see `CropHandMasks`).
    """

    removal: bool = True
    deocclusion: bool = True
    masks: MaskSource = "pred"

    def __post_init__(self) -> None:
        if self.masks not in ("pred", "gt"):
            raise ConfigError("HDRPlugin.masks is unknown", got=self.masks, want="pred or gt")


def hands_present(
    scores: Tensor, masks: Tensor, min_area: float, min_confidence: float, min_visible: float
) -> np.ndarray:
    """Decide which hands are restored. These gates reject hands that are not in the image.

    Args:
        scores: (B, 4, H, W) probabilities that a pixel belongs to the mask, in the order of `MASK_NAMES`.
        masks: (B, 4, H, W), 0 or 1.
        min_area: Smallest share of the crop that the amodal mask must cover.
        min_confidence: Smallest mean probability over the pixels of the amodal mask.
        min_visible: Smallest share of the crop that the visible mask must cover.

    Returns:
        (B, 2) bool, right and left.
    """
    area, visible = masks[:, ::2].mean(dim=(2, 3)), (masks[:, 1::2] * masks[:, ::2]).mean(dim=(2, 3))
    confidence = (scores[:, ::2] * masks[:, ::2]).mean(dim=(2, 3)) / area.clamp_min(1e-9)
    passed = (area > 0) & (area >= min_area) & (confidence >= min_confidence) & (visible >= min_visible)
    return np.asarray(passed.cpu().numpy())


@MODELS.register_module()
class HDRPlugin(BaseModule):
    """Segmentation, restoration and single-hand pose for an estimator's crops of two hands (a `HandPlugin`).

    For the form of a part's config see `build_part`. The parts' weights do not belong to the estimator's state.

    Args:
        segmentor: A `HandSegmentor`.
        inpaintor: A `HandInpaintor`. Its discriminator is left out.
        pose: A network with the method `single_hand`: a `SingleHandPose`, or an `InterHandEstimator` that was trained
            on right hands.
        crop_scale: Number of crop pixels per pixel of the base network's input. The base network receives every
            `crop_scale`-th pixel, which is exactly the crop it would receive without the plugin.
        segmentor_size: Side in px of the image that the segmentor receives; None for the side of the crop.
        hand_size: Side in px of one hand's crop.
        enlarge: Factor from the tight box of a hand's amodal mask to its crop.
        removal: Whether the other hand is painted over. This and the next two are the defaults of a forward pass.
        deocclusion: Whether hidden parts of a hand are painted in.
        masks: "pred" for the segmentor's masks, "gt" for the true masks of the samples.
        min_area: Smallest share of the crop that an amodal mask must cover for its hand to be restored.
        min_confidence: Smallest mean probability over the amodal mask.
        min_visible: Smallest share of the crop that the visible mask must cover.
        margin: Odd diameter in px of the kernel that grows the other hand's predicted mask before its removal, because
            a predicted mask often ends one pixel short of the outline. 1 does not grow it, as published.
    """

    parts: ClassVar[tuple[str, ...]] = ("segmentor", "inpaintor", "pose")

    def __init__(
        self,
        segmentor: dict[str, Any],
        inpaintor: dict[str, Any],
        pose: dict[str, Any],
        crop_scale: int = 1,
        segmentor_size: int | None = None,
        hand_size: int = 256,
        enlarge: float = PUBLISHED_ENLARGE,
        removal: bool = True,
        deocclusion: bool = True,
        masks: MaskSource = "pred",
        min_area: float = 0.02,
        min_confidence: float = 0.7,
        min_visible: float = 0.01,
        margin: int = 1,
    ) -> None:
        super().__init__()
        for name, value in (("crop_scale", crop_scale), ("hand_size", hand_size), ("enlarge", enlarge)):
            if value < 1:
                raise ConfigError(f"HDRPlugin.{name} must be at least 1", got=value)
        if margin < 1 or margin % 2 == 0:
            raise ConfigError("HDRPlugin.margin must be an odd number of pixels", got=margin)
        self.options = HDROptions(removal, deocclusion, masks)
        self.segmentor, file_1 = build_part(segmentor)
        self.inpaintor, file_2 = build_part(inpaintor, discriminator=None, vgg16=None)
        self.pose, file_3 = build_part(pose)
        self.checkpoints = dict(zip(self.parts, (file_1, file_2, file_3), strict=True))
        self.loaded = not any(self.checkpoints.values())
        self.crop_scale, self.segmentor_size, self.hand_size = crop_scale, segmentor_size, hand_size
        self.enlarge, self.margin = enlarge, margin
        self.gates = dict(min_area=min_area, min_confidence=min_confidence, min_visible=min_visible)

    def load_checkpoints(self) -> None:
        """Read the parts' checkpoints. A part without one keeps its initial weights, and the log warns about it.

        Raises:
            CheckpointError: See `load_checked`.
        """
        for name, path in self.checkpoints.items():
            if path is None:
                message = f"HDRPlugin: there is no checkpoint for its {name}, whose weights are random"
                print_log(message, "current", logging.WARNING)
            else:
                # The discriminator is part of the inpaintor's file, and is only used in training.
                load_checked(getattr(self, name), path, ignore="discriminator." if name == "inpaintor" else "")
        self.loaded = True

    @torch.no_grad()
    def forward(self, images: Tensor, data_samples: Sequence[Any] = (), **options: Any) -> RestoredHands:
        """Restore and estimate every hand of a batch, with one call of each network. See `clean_hands`."""
        hands = self.clean_hands(images, data_samples, **options)
        points, scores = self.estimate(hands.clean)
        points[..., :2] = apply_affine(points[..., :2], invert_affine(hands.affines))
        return RestoredHands(**vars(hands), keypoints=points, keypoint_scores=scores)

    @torch.no_grad()
    def clean_hands(self, images: Tensor, data_samples: Sequence[Any] = (), **options: Any) -> CleanHands:
        """Find and restore every hand of a batch.

        Args:
            images: (B, 3, S, S) BGR, 0 to 255.
            data_samples: B samples with `masks` (4, S, S), 0 or 1. They are only read where the masks are "gt".
            **options: Fields of `HDROptions` that replace the defaults of the config, for this call.

        Raises:
            ConfigError: The checkpoints have not been read.
            DataContractError: The masks are "gt", and the samples have none or masks of another size.
        """
        if not self.loaded:
            raise ConfigError(
                "the checkpoints of HDRPlugin have not been read", fix="interhand_mm.models.plugin.load_plugin(model)"
            )
        chosen = replace(self.options, **options)
        scores = self.segment(images) if chosen.masks == "pred" else _true_masks(data_samples, images)
        masks = (scores > 0.5).float()
        present = hands_present(scores, masks, **self.gates)
        hands = np.argwhere(present)
        affines = self._affines(masks, hands)
        seen, own = self.cut(images, masks, hands, affines)
        # A hand that the gates rejected hides nothing and need not be removed.
        paired = present[hands[:, 0], 1 - hands[:, 1]]
        clean = self.restore(seen, own, torch.from_numpy(paired).to(seen.device), chosen)
        return CleanHands(present, hands, masks, affines, seen, clean)

    def segment(self, images: Tensor) -> Tensor:
        """Return the probabilities (B, 4, S, S) of the four masks for BGR images (B, 3, S, S)."""
        return segment(self.segmentor, images, self.segmentor_size)

    def _affines(self, masks: Tensor, hands: np.ndarray) -> np.ndarray:
        """Return the affines (N, 2, 3) from the crop to each hand's own crop."""
        amodal = masks[:, ::2].to(torch.uint8).cpu().numpy()
        affines = []
        for i, side in hands:
            box = hand_bbox(largest_part(amodal[i, side]), self.enlarge)
            assert box is not None  # the gates reject empty masks
            affines.append(hand_affine(box, self.hand_size, side == 1, masks.shape[-1]))
        return np.stack(affines) if affines else np.zeros((0, 2, 3))

    def cut(self, images: Tensor, masks: Tensor, hands: np.ndarray, affines: np.ndarray) -> tuple[Tensor, Tensor]:
        """Cut out the hands: crops (N, 3, h, h), and masks (N, 4, h, h) A, V of the hand and A', V' of the other."""
        order = np.array([(0, 1, 2, 3), SWAP_SIDES])[hands[:, 1]]
        which = torch.from_numpy(hands[:, 0])
        size = (self.hand_size, self.hand_size)
        own = masks[which[:, None], torch.from_numpy(order)].to(torch.uint8).cpu().numpy()
        warped = [warp_mask(each, affine, size) for each, affine in zip(own, affines, strict=True)]
        stacked = np.stack(warped) if warped else np.zeros((0, len(MASK_NAMES), *size), np.uint8)
        return warp_images(images[which], affines, self.hand_size), torch.from_numpy(stacked).to(masks)

    def restore(self, seen: Tensor, masks: Tensor, paired: Tensor, options: HDROptions) -> Tensor:
        """Paint in what is hidden of the hands, and paint over the other hands.

        Args:
            seen: (N, 3, h, h) BGR.
            masks: (N, 4, h, h) as `cut` returns them.
            paired: (N,) bool, whether the crop shows the other hand as well. Nothing is painted otherwise.
            options: Options of this pass, which say what is painted.

        Returns:
            (N, 3, h, h) BGR, 0 to 255; `seen` itself where there is nothing to paint.
        """
        if options.masks == "pred":
            masks = masks.clone()
            masks[:, 2] = torch.maximum(masks[:, 2], dilate(masks[:, 2], self.margin) * (1 - masks[:, 1]))
        edit = edit_masks(*(masks[:, i : i + 1] for i in (0, 1, 2)))
        wanted = 1 - (1 - edit.hole * options.deocclusion) * (1 - edit.removal * options.removal)
        some = wanted.flatten(1).any(dim=1) & paired
        if not some.any():
            return seen
        inputs = normalize(seen[some], self.inpaintor.data_preprocessor)
        # The network always paints both, as in training. The options decide which of it is used.
        holes = hole_masks(masks[some], torch.ones(masks[some].shape[:2], device=masks.device))
        out = self.inpaintor.paint(inputs, **holes)
        painted = denormalize(out, self.inpaintor.data_preprocessor).clip(0, 255)
        clean = seen.clone()
        clean[some] = composite(seen[some], painted, dilate(wanted[some, 0], self.inpaintor.dilation))
        return clean

    def estimate(self, clean: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Estimate keypoints (N, 21, 3), px of the hand's crop and mm, and their scores (N, 21)."""
        if not len(clean):
            return np.zeros((0, NUM_HAND_JOINTS, 3)), np.zeros((0, NUM_HAND_JOINTS))
        size = getattr(self.pose, "single_hand_size", None) or self.hand_size
        factor = size / self.hand_size
        crops = clean if factor == 1 else warp_images(clean, scale_affine(factor), size, "border")
        points, scores = self.pose.single_hand(normalize(crops, self.pose.data_preprocessor))
        points = points.double().cpu().numpy()
        points[..., :2] /= factor
        return points, scores.float().cpu().numpy()


def _true_masks(data_samples: Sequence[Any], images: Tensor) -> Tensor:
    """Return the samples' own masks (B, 4, S, S)."""
    masks = [sample.get("masks") for sample in data_samples]
    shapes = [None if each is None else tuple(each.shape) for each in masks]
    wanted = (len(MASK_NAMES), *images.shape[2:])
    if shapes != [wanted] * len(images):
        raise DataContractError(
            "HDRPlugin(masks='gt') needs the masks of every sample",
            got=f"{len(masks)} samples for {len(images)} images, shapes {sorted(set(map(str, shapes)))}",
            want=f"one sample per image, shape {wanted}",
            fix="CropHandMasks after HandCrop in the test pipeline, and mask_root in the data set",
        )
    return torch.stack(masks).float().to(images.device)
