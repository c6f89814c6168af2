"""HDR's segmentor and inpaintor one after the other: scores with predicted masks, and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator

from ..checkpoints.io import check_fits, read_checkpoint
from ..engine.runner import build_model
from ..visualization.masks import amodal_tile
from ..visualization.overlay import contact_sheet, draw_label
from .data import AIHDataset
from .data.transforms import CropTarget, PackAmodalInputs
from .evaluation import AmodalIoU, RestorationScore
from .masks import MASK_NAMES, mirror_masks, occlusion_rate

_TILE_PX = 192


def load_network(cfg: Config, checkpoint: str | Path) -> Any:
    """The config's model with a checkpoint's weights, on the CPU, for prediction.

    Raises:
        CheckpointError: The file is not this network's.
    """
    model = build_model(cfg)
    weights = read_checkpoint(checkpoint)
    check_fits(weights, model, checkpoint)
    model.load_state_dict(weights["state_dict"])
    return model.eval()


class HandRestorer:
    """Both networks on pictures of AIH.

    Args:
        segmentor: A `HandSegmentor`.
        inpaintor: A `HandInpaintor`.
        segmentor_px: Side that the segmentor was trained on.
        hand_px: Side of one hand's crop, likewise the inpaintor.
    """

    def __init__(self, segmentor: Any, inpaintor: Any, segmentor_px: int, hand_px: int) -> None:
        self.segmentor, self.inpaintor, self.segmentor_px = segmentor, inpaintor, segmentor_px
        self.crop, self.pack = CropTarget((hand_px, hand_px)), PackAmodalInputs()

    @torch.no_grad()
    def masks(self, image: np.ndarray) -> np.ndarray:
        """Predicted masks (4, H, W) uint8 of a square crop of two hands (H, W, 3) uint8 BGR."""
        height, width = image.shape[:2]
        # Pixels as the crop's affine has them, without half-pixel offsets.
        scale = np.array([[self.segmentor_px / width, 0.0, 0.0], [0.0, self.segmentor_px / height, 0.0]])
        small = cv2.warpAffine(image, scale, (self.segmentor_px, self.segmentor_px), flags=cv2.INTER_LINEAR)
        inputs = [torch.from_numpy(small.transpose(2, 0, 1).copy())]
        batch = self.segmentor.data_preprocessor({"inputs": inputs})
        scores = self.segmentor.probabilities(batch["inputs"])[0].float().numpy().transpose(1, 2, 0)
        back = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        large = cv2.warpAffine(scores, scale, (width, height), flags=back, borderMode=cv2.BORDER_REPLICATE)
        return (large.transpose(2, 0, 1) > 0.5).astype(np.uint8)

    @torch.no_grad()
    def restore(self, sample: dict[str, Any], masks: np.ndarray | None = None) -> Any:
        """Restore the target of a sample, which plays the right hand, in its crop.

        Args:
            sample: As `LoadAIH` and `MirrorHands` give it; the crop is that of its true mask, so that pixels can be
                compared.
            masks: (4, H, W) predicted; None takes the true ones.

        Returns:
            The packed sample with the inpaintor's predictions.
        """
        results = dict(sample) if masks is None else {**sample, "pred_masks": masks}
        packed = self.pack.transform(self.crop.transform(results))
        batch = {key: [packed[key]] for key in ("inputs", "data_samples")}
        return self.inpaintor.val_step(batch)[0]

    def evaluate(self, dataset: AIHDataset) -> dict[str, float]:
        """IoU of the predicted masks, and scores of the pictures that were restored by them.

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
        return evaluator.evaluate(len(dataset))

    def picture(self, right: dict[str, Any], left: dict[str, Any]) -> np.ndarray:
        """Input, the four predicted masks, either hand restored, and the truth of both, side by side.

        Args:
            right: Sample of a view with the right hand as target.
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
        squares = [cv2.resize(one, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_CUBIC) for one in truth]
        names = ("truth: right alone", "truth: left alone")
        return np.hstack([row, *(draw_label(one, name) for one, name in zip(squares, names, strict=True))])

    def _image(self, restored: torch.Tensor) -> np.ndarray:
        pixels = self.inpaintor.data_preprocessor.denormalize(restored[None])[0]
        return np.rint(pixels.numpy().transpose(1, 2, 0)).astype(np.uint8)

    def sheet(self, dataset: AIHDataset, num: int, seed: int) -> np.ndarray:
        """`picture` of `num` views drawn at random, (H, W, 3) uint8 BGR."""
        views = view_pairs(dataset)
        chosen = np.random.default_rng(seed).permutation(len(views))[:num]
        return contact_sheet([self.picture(*(dataset[i] for i in views[c])) for c in sorted(chosen)], columns=1)


def view_pairs(dataset: AIHDataset) -> list[tuple[int, int]]:
    """Numbers of the samples with the right and the left hand as target that show the same view."""
    sides: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for i in range(len(dataset)):
        item = dataset.load_item(i)
        sides[item["target"]][Path(item["img_path"]).name] = i
    return [(i, sides[1][name]) for name, i in sides[0].items() if name in sides[1]]
