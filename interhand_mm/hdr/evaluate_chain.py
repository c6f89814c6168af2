"""HDR's segmentor and inpaintor one after the other on AIH: scores with predicted masks, and images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import Evaluator

from ..models.preprocessing import denormalize
from ..utils.images import resize_image
from ..visualization.masks import amodal_tile
from ..visualization.overlay import contact_sheet, draw_label
from .data import AIHDataset
from .data.transforms import CropTarget, PackAmodalInputs
from .evaluation import AmodalIoU, RestorationScore
from .masks import MASK_NAMES, mirror_masks, occlusion_rate
from .models.segmentor import segment

_TILE_PX = 192


class HandRestorer:
    """Segmentor and inpaintor on images of AIH.

    Args:
        segmentor: A `HandSegmentor`.
        inpaintor: A `HandInpaintor`.
        segmentor_px: Side in px of the images that the segmentor was trained on.
        hand_px: Side in px of one hand's crop, as the inpaintor was trained.
    """

    def __init__(self, segmentor: Any, inpaintor: Any, segmentor_px: int, hand_px: int) -> None:
        self.segmentor, self.inpaintor, self.segmentor_px = segmentor, inpaintor, segmentor_px
        self.crop, self.pack = CropTarget((hand_px, hand_px)), PackAmodalInputs()

    @torch.no_grad()
    def masks(self, image: np.ndarray) -> np.ndarray:
        """Predict the masks (4, S, S) uint8 of a square crop of two hands (S, S, 3) uint8 BGR."""
        images = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))[None]
        return (segment(self.segmentor, images, self.segmentor_px)[0] > 0.5).numpy().astype(np.uint8)

    @torch.no_grad()
    def restore(self, sample: dict[str, Any], masks: np.ndarray | None = None) -> Any:
        """Restore the target of a sample, which must be the right hand, in its own crop.

        Args:
            sample: Sample after `LoadAIH` and `MirrorHands`. The crop is the one of its true mask, so that pixels can
                be compared.
            masks: Predicted masks (4, H, W); None for the true ones.

        Returns:
            The packed sample with the inpaintor's predictions.
        """
        results = dict(sample) if masks is None else {**sample, "pred_masks": masks}
        packed = self.pack.transform(self.crop.transform(results))
        batch = {key: [packed[key]] for key in ("inputs", "data_samples")}
        return self.inpaintor.val_step(batch)[0]

    def evaluate(self, dataset: AIHDataset) -> dict[str, float]:
        """Measure the IoU of the predicted masks, and the images that were restored with them.

        Args:
            dataset: Renders, through `LoadAIH` and `MirrorHands`.

        Returns:
            Names and values of `AmodalIoU` and `RestorationScore`.
        """
        evaluator = Evaluator([AmodalIoU(), RestorationScore(edited="pred")])
        whole, alone = evaluator.metrics
        for i in range(len(dataset)):
            sample = dataset[i]
            masks = self.masks(sample["img"])
            whole.process(None, [{**sample, "pred_masks": masks}])
            alone.process(None, [self.restore(sample, masks).to_dict()])
        numbers: dict[str, float] = evaluator.evaluate(len(dataset))
        return numbers

    def draw(self, right: dict[str, Any], left: dict[str, Any]) -> np.ndarray:
        """Draw a view: input, four predicted masks, each hand restored, and the truth of both, side by side.

        Args:
            right: Sample of the view whose target is the right hand.
            left: Sample of the same view, mirrored, so that the left hand is the target.

        Returns:
            (192, 9 * 192, 3) uint8 BGR.
        """
        masks = self.masks(right["img"])
        restored = [self.restore(right, masks), self.restore(left, mirror_masks(masks))]
        found = [self._image(sample.restored) for sample in restored]
        truth = [sample.clean[0].numpy().transpose(1, 2, 0) for sample in restored]
        found[1], truth[1] = found[1][:, ::-1].copy(), truth[1][:, ::-1].copy()
        hidden = [occlusion_rate(*right["masks"][side : side + 2]) for side in (0, 2)]
        label = f"hidden: {hidden[0]:.0%} right, {hidden[1]:.0%} left"
        row = amodal_tile(right["img"], masks, np.stack(found), np.ones(len(MASK_NAMES)), np.ones(2), label, _TILE_PX)
        squares = [resize_image(one, (_TILE_PX, _TILE_PX)) for one in truth]
        names = ("truth: right alone", "truth: left alone")
        return np.hstack([row, *(draw_label(one, name) for one, name in zip(squares, names, strict=True))])

    def _image(self, restored: torch.Tensor) -> np.ndarray:
        pixels = denormalize(restored[None], self.inpaintor.data_preprocessor)[0].clip(0, 255)
        image: np.ndarray = np.rint(pixels.numpy().transpose(1, 2, 0)).astype(np.uint8)
        return image

    def sheet(self, dataset: AIHDataset, num: int, seed: int) -> np.ndarray:
        """Draw `num` random views below each other, (H, W, 3) uint8 BGR; see `draw`."""
        views = view_pairs(dataset)
        chosen = np.random.default_rng(seed).permutation(len(views))[:num]
        return contact_sheet([self.draw(*(dataset[i] for i in views[c])) for c in sorted(chosen)], columns=1)


def view_pairs(dataset: AIHDataset) -> list[tuple[int, int]]:
    """Return the sample pairs that show the same view, once with the right and once with the left hand as target."""
    sides: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for i in range(len(dataset)):
        item = dataset.load_item(i)
        sides[item["target"]][Path(item["img_path"]).name] = i
    return [(i, sides[1][name]) for name, i in sides[0].items() if name in sides[1]]
