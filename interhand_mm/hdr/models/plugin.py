"""HDR behind one config key: both hands segmented, each restored alone, and its pose estimated as a right hand's.

``model=dict(type="InterHandEstimator", hdr=dict(type="HDRPlugin", segmentor=..., inpaintor=..., pose=...))``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor

from ...errors import ConfigError, DataContractError
from ...models.plugin import CleanHands, RestoredHands
from ...models.preprocessing import from_bgr
from ...registry import MODELS
from ...structures.camera import apply_affine, invert_affine
from ...utils.config import load_config
from ..hand_crop import PUBLISHED_ENLARGE, hand_affine, hand_bbox, largest_part, scale_affine, warp_images, warp_masks
from ..masks import MASK_NAMES, SWAP_SIDES, composite, dilate, edit_masks
from .holes import hole_masks

PARTS = ("segmentor", "inpaintor", "pose")


def hands_present(
    scores: Tensor, masks: Tensor, min_area: float, min_confidence: float, min_visible: float
) -> np.ndarray:
    """Which hands are there to be restored: the gates against phantom hands.

    Args:
        scores: (B, 4, H, W) probabilities of hand, order `MASK_NAMES`.
        masks: (B, 4, H, W) 0 or 1.
        min_area: Least share of the crop that is amodal mask.
        min_confidence: Least mean probability over the amodal mask's pixels.
        min_visible: Least share of the crop that is visible mask.

    Returns:
        (B, 2) bool, right and left.
    """
    area, visible = masks[:, ::2].mean(dim=(2, 3)), (masks[:, 1::2] * masks[:, ::2]).mean(dim=(2, 3))
    confidence = (scores[:, ::2] * masks[:, ::2]).mean(dim=(2, 3)) / area.clamp_min(1e-9)
    passed = (area > 0) & (area >= min_area) & (confidence >= min_confidence) & (visible >= min_visible)
    return np.asarray(passed.cpu().numpy())


def _build(part: dict[str, Any], name: str, **changes: Any) -> tuple[torch.nn.Module, str | None]:
    """A part's network, frozen, and the checkpoint it wants."""
    part = dict(part)
    checkpoint = part.pop("checkpoint", None)
    if "config" in part:
        if set(part) != {"config"}:
            raise ConfigError(f"HDRPlugin.{name}", got=sorted(part), want="config and checkpoint, or a model's config")
        part = dict(load_config(part["config"]).model)
    network = MODELS.build({**part, **changes})
    return network.requires_grad_(False).eval(), checkpoint


@MODELS.register_module()
class HDRPlugin(BaseModule):
    """Segmentation, restoration and single-hand pose for an estimator's crops of two hands.

    A part is ``dict(config="configs/hdr/....py", checkpoint="....pth")``, or a model's config with or without
    `checkpoint`; `checkpoints.io.load_parts` reads the files. Its weights are no part of the estimator's state.

    Args:
        segmentor: A `HandSegmentor`.
        inpaintor: A `HandInpaintor`; its discriminator is left out.
        pose: A network with `single_hand`: `SingleHandPose`, or an `InterHandEstimator` for right hands.
        crop_scale: Crop px a px of the base network's input, which gets every `crop_scale`-th: its own crop to the bit.
        segmentor_size: Side that the segmentor gets, px; None is the crop's.
        hand_size: Side of one hand's crop, px.
        enlarge: Of the tight box of a hand's amodal mask.
        removal: Whether the other hand is painted out.
        deocclusion: Whether the hidden part of the hand is painted in. With neither, the pose is that of the crop.
        masks: "pred", or "gt": the samples' own `masks` (`CropHandMasks`), for ablations.
        min_area: See `hands_present`, as the next two.
        min_confidence: See there.
        min_visible: See there.
        shrink_masks: See `warp_masks`; True as published.
        margin: px, odd, of a kernel that grows the other hand's predicted mask before it is removed, which is often
            short of its outline by a pixel. 1 is none, as published.
    """

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
        masks: str = "pred",
        min_area: float = 0.02,
        min_confidence: float = 0.7,
        min_visible: float = 0.01,
        shrink_masks: bool = False,
        margin: int = 1,
    ) -> None:
        super().__init__()
        if masks not in ("pred", "gt"):
            raise ConfigError("HDRPlugin.masks", got=masks, want="pred or gt")
        if crop_scale < 1 or hand_size < 1 or enlarge < 1:
            got = (crop_scale, hand_size, enlarge)
            raise ConfigError("HDRPlugin: crop_scale, hand_size, enlarge", got=got, want="1 or more each")
        if margin < 1 or margin % 2 == 0:
            raise ConfigError("HDRPlugin.margin", got=margin, want="an odd number of pixels")
        self.segmentor, file_1 = _build(segmentor, "segmentor")
        self.inpaintor, file_2 = _build(inpaintor, "inpaintor", discriminator=None, vgg16=None)
        self.pose, file_3 = _build(pose, "pose")
        self.checkpoints = dict(zip(PARTS, (file_1, file_2, file_3), strict=True))
        self.loaded = not any(self.checkpoints.values())
        self.crop_scale, self.segmentor_size, self.hand_size, self.enlarge = (
            crop_scale, segmentor_size, hand_size, enlarge,
        )  # fmt: skip
        self.removal, self.deocclusion, self.masks = removal, deocclusion, masks
        self.shrink_masks, self.margin = shrink_masks, margin
        self.gates = dict(min_area=min_area, min_confidence=min_confidence, min_visible=min_visible)

    @torch.no_grad()
    def forward(self, images: Tensor, truth: Tensor | None = None) -> RestoredHands:
        """Restore and estimate every hand of a batch, all in one call of each network; see `clean_hands`."""
        hands = self.clean_hands(images, truth)
        points, scores = self.estimate(hands.clean)
        points[..., :2] = apply_affine(points[..., :2], invert_affine(hands.affines))
        return RestoredHands(**vars(hands), keypoints=points, keypoint_scores=scores)

    @torch.no_grad()
    def clean_hands(self, images: Tensor, truth: Tensor | None = None) -> CleanHands:
        """Find and restore every hand of a batch.

        Args:
            images: (B, 3, S, S) BGR, 0 to 255.
            truth: (B, 4, S, S) masks, 0 or 1, where `masks` is "gt".

        Raises:
            ConfigError: The checkpoints were not read.
            DataContractError: "gt" without masks, or of another size.
        """
        if not self.loaded:
            raise ConfigError("HDRPlugin: its checkpoints were not read", fix="engine.checkpoint.load_parts(model)")
        scores = self.segment(images) if self.masks == "pred" else _checked(truth, images)
        masks = (scores > 0.5).float()
        present = hands_present(scores, masks, **self.gates)
        hands = np.argwhere(present)
        affines = self._affines(masks, hands)
        seen, own = self.cut(images, masks, hands, affines)
        # What the gates refused is no hand: it neither hides anything nor is to be removed.
        paired = present[hands[:, 0], 1 - hands[:, 1]]
        clean = self.restore(seen, own, torch.from_numpy(paired).to(seen.device))
        return CleanHands(masks, present, hands, affines, seen, clean)

    def segment(self, images: Tensor) -> Tensor:
        """Probabilities (B, 4, S, S) of BGR images (B, 3, S, S)."""
        side = images.shape[-1]
        size = self.segmentor_size or side
        small = images if size == side else warp_images(images, scale_affine(size / side), size, "border")
        scores = self.segmentor.forward(from_bgr(small, self.segmentor.data_preprocessor), mode="predict")
        stacked = torch.stack([sample.pred_scores for sample in scores]).float()
        return stacked if size == side else warp_images(stacked, scale_affine(side / size), side, "border")

    def _affines(self, masks: Tensor, hands: np.ndarray) -> np.ndarray:
        """(N, 2, 3) from the crop to each hand's."""
        amodal = masks[:, ::2].to(torch.uint8).cpu().numpy()
        affines = [
            hand_affine(
                hand_bbox(largest_part(amodal[i, side]), self.enlarge), self.hand_size, side == 1, masks.shape[-1]
            )
            for i, side in hands
        ]
        return np.stack(affines) if affines else np.zeros((0, 2, 3))

    def cut(self, images: Tensor, masks: Tensor, hands: np.ndarray, affines: np.ndarray) -> tuple[Tensor, Tensor]:
        """Crops (N, 3, h, h) of the hands, and their masks (N, 4, h, h): A, V of the hand, A', V' of the other."""
        order = np.array([(0, 1, 2, 3), SWAP_SIDES])[hands[:, 1]]
        which = torch.from_numpy(hands[:, 0])
        own = masks[which[:, None], torch.from_numpy(order)]
        return (
            warp_images(images[which], affines, self.hand_size),
            warp_masks(own, affines, self.hand_size, self.shrink_masks),
        )

    def restore(self, seen: Tensor, masks: Tensor, paired: Tensor) -> Tensor:
        """Paint in what is hidden of the hands and the other hands out, as far as both are switched on.

        Args:
            seen: (N, 3, h, h) BGR.
            masks: (N, 4, h, h) as `cut` gives them.
            paired: (N,) bool, whether the other hand is there; nothing is painted otherwise.

        Returns:
            (N, 3, h, h) BGR, 0 to 255; `seen` itself where nothing is to be painted.
        """
        if self.masks == "pred":
            masks = masks.clone()
            masks[:, 2] = torch.maximum(masks[:, 2], dilate(masks[:, 2], self.margin) * (1 - masks[:, 1]))
        edit = edit_masks(*(masks[:, i : i + 1] for i in (0, 1, 2)))
        wanted = 1 - (1 - edit.hole * self.deocclusion) * (1 - edit.removal * self.removal)
        some = wanted.flatten(1).any(dim=1) & paired
        if not some.any():
            return seen
        inputs = from_bgr(seen[some], self.inpaintor.data_preprocessor)
        # The network always paints both, as in training; a switch decides what of it is taken.
        holes = hole_masks(masks[some], torch.ones(masks[some].shape[:2], device=masks.device))
        out = self.inpaintor.paint(inputs, **holes)
        painted = self.inpaintor.data_preprocessor.denormalize(out.float())
        clean = seen.clone()
        clean[some] = composite(seen[some], painted, dilate(wanted[some, 0], self.inpaintor.dilation))
        return clean

    def estimate(self, clean: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints (N, 21, 3), px of the hand's crop and mm, and scores (N, 21)."""
        if not len(clean):
            return np.zeros((0, 21, 3)), np.zeros((0, 21))
        size = getattr(self.pose, "single_hand_size", None) or self.hand_size
        factor = size / self.hand_size
        crops = clean if factor == 1 else warp_images(clean, scale_affine(factor), size, "border")
        points, scores = self.pose.single_hand(from_bgr(crops, self.pose.data_preprocessor))
        points = points.double().cpu().numpy()
        points[..., :2] /= factor
        return points, scores.float().cpu().numpy()


def _checked(truth: Tensor | None, images: Tensor) -> Tensor:
    wanted = (len(images), len(MASK_NAMES), *images.shape[2:])
    if truth is None or tuple(truth.shape) != wanted:
        raise DataContractError(
            "HDRPlugin(masks='gt'): the samples' masks",
            got=None if truth is None else tuple(truth.shape),
            want=wanted,
            fix="CropHandMasks after HandCrop in the test pipeline, and mask_root in the data set",
        )
    return truth.float().to(images.device)
