"""Combine two single-hand images into one of two hands, as AIH_Syn does (docs/spec/hdr.md, section 5.2)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ....datasets.transforms.geometry import Augment, draw_augment
from ....errors import ConfigError, DataContractError
from ....registry import TRANSFORMS
from ....structures.camera import crop_affine
from ...masks import MASK_NAMES, occlusion_rate, overlay_hand, warp_mask


def recipe_move(row: np.ndarray) -> Augment:
    """Return the geometry of a stored recipe's seven numbers. Its color gain is drawn anew, as published."""
    tx, ty, scale, turn = (float(value) for value in row[:4])
    return Augment((tx, ty), scale, turn)


def move_affine(move: Augment, source: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return the affine (2, 3) from a source to the image: the box (0, 0, w - 1, h - 1), shifted, scaled and rotated.

    Args:
        move: The geometry. `shift` is in fractions of the box; a `scale` above 1 shows more.
        source: (width, height) px of the source.
        size: (width, height) px of the image.
    """
    box = np.array([source[0] - 1, source[1] - 1], float)
    low = np.array(move.shift) * box
    return crop_affine(np.concatenate([low, low + box]), size, move.scale, move.rotation_deg)


@TRANSFORMS.register_module()
class SynthesizeInteraction(BaseTransform):
    """Combine the `sources` (target hand, other hand) into one image, in which the target is the right hand.

    A source is a dict of `img` (H, W, 3) uint8, `amodal` (H, W) 0 or 1, and `side` (0 right, 1 left). The target is
    mirrored if it is a left hand, the other hand if it is a right hand. A sample with a stored `recipe` (see
    `AIHDataset`) uses its geometry, with the other hand in front, as published. Otherwise the geometry and the order
    are drawn from the sample's generator until the *occlusion rate*, the hidden share of the rear hand, lies in the
    range `occlusion`. After `trials` draws the closest one is used.

    Args:
        occlusion: Smallest and largest occlusion rate, between 0 and 1.
        front_prob: Share of the samples with the other hand in front. In the others the target hides the other hand, so
            nothing has to be filled in, and the other hand has to be removed.
        shift: Range of the target's random shift, in fractions of the image.
        other_shift: Range of the other hand's random shift. The published range is 0.15 / 5. It is wider here, so that
            there are hands that barely touch.
        scale: Range of the random scale; see `draw_augment`.
        rotation_deg: Range of the random rotation; see `draw_augment`.
        rotation_prob: Probability of a rotation.
        trials: Maximum number of draws.
    """

    def __init__(
        self,
        occlusion: tuple[float, float] = (0.05, 0.9),
        front_prob: float = 0.5,
        shift: float = 0.15,
        other_shift: float = 0.35,
        scale: float = 0.25,
        rotation_deg: float = 45.0,
        rotation_prob: float = 0.6,
        trials: int = 100,
    ) -> None:
        if not (len(occlusion) == 2 and 0 <= occlusion[0] <= occlusion[1] <= 1):
            raise ConfigError(
                "SynthesizeInteraction.occlusion is not a range",
                got=occlusion,
                want="(smallest, largest) between 0 and 1",
            )
        if not 0 <= front_prob <= 1:
            raise ConfigError("SynthesizeInteraction.front_prob must be between 0 and 1", got=front_prob)
        self.occlusion, self.front_prob, self.trials = occlusion, front_prob, trials
        turn = dict(scale=scale, rotation_deg=rotation_deg, rotation_prob=rotation_prob, flip_prob=0.0)
        self.ranges = dict(shift=shift, **turn), dict(shift=other_shift, **turn)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add `img`, `masks`, `masks_valid`, `clean`, `clean_valid`, `occlusion_rate`, `other_in_front`, `mirrored`.

        Raises:
            DataContractError: The sample does not have two sources.
        """
        if results.get("skipped"):
            return results
        if len(results.get("sources", ())) != 2:
            raise DataContractError(
                "SynthesizeInteraction needs two sources",
                got=len(results.get("sources", ())),
                want="two loaded single-hand images; samples of the part 'render' need no synthesis",
            )
        images, masks = zip(*(_as_side(s, side) for side, s in enumerate(results["sources"])), strict=True)
        size = (images[0].shape[1], images[0].shape[0])
        if "recipe" in results:
            moves, in_front = [recipe_move(results["recipe"][name]) for name in ("target", "other")], True
        else:
            in_front = bool(results["rng"].random() < self.front_prob)
            moves = self._draw(results["rng"], masks, size, in_front)
        affines = [move_affine(m, i.shape[1::-1], size) for m, i in zip(moves, images, strict=True)]
        warped = [cv2.warpAffine(i, a, size, flags=cv2.INTER_LINEAR) for i, a in zip(images, affines, strict=True)]
        hands = [warp_mask(m, a, size, "floor") for m, a in zip(masks, affines, strict=True)]
        image, four = overlay_hand(warped[0], hands[0], warped[1], hands[1], in_front)
        results.update(
            img=image,
            masks=four,
            masks_valid=np.ones(len(MASK_NAMES), np.float32),
            clean=np.stack([warped[0], np.zeros_like(warped[0])]),
            clean_valid=np.array([1, 0], np.float32),  # the other hand's image has another background
            occlusion_rate=occlusion_rate(four[0], four[1]) if in_front else occlusion_rate(four[2], four[3]),
            other_in_front=in_front,
            mirrored=results["target"] == 1,
            target=0,
        )
        del results["sources"]
        return results

    def _draw(
        self, rng: np.random.Generator, masks: tuple[np.ndarray, ...], size: tuple[int, int], in_front: bool
    ) -> list[Augment]:
        best, nearest = [Augment(), Augment()], np.inf
        for _ in range(self.trials):
            moves = [draw_augment(rng, **ranges) for ranges in self.ranges]
            target, other = (
                warp_mask(mask, move_affine(move, mask.shape[1::-1], size), size, "floor")
                for mask, move in zip(masks, moves, strict=True)
            )
            if not (target.any() and other.any()):
                continue  # a hand lies outside the image
            behind, front = (target, other) if in_front else (other, target)
            rate = occlusion_rate(behind, 1 - front)
            away = max(self.occlusion[0] - rate, rate - self.occlusion[1], 0.0)
            if away < nearest:
                best, nearest = moves, away
            if away == 0:
                break
        return best


def _as_side(source: dict[str, Any], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the image and the mask of a source, mirrored if it shows a hand of the other side."""
    image, mask = source["img"], source["amodal"]
    if source["side"] == side:
        return image, mask
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
