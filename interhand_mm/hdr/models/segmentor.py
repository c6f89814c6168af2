"""The Segmentor: amodal and visible masks of both hands, by a MiT backbone and a SegFormer head with four branches."""

from __future__ import annotations

from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModel, BaseModule
from mmengine.structures import BaseDataElement
from mmpose.models.backbones import PyramidVisionTransformerV2
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import ConfigError
from ...models.preprocessing import normalize
from ...registry import MODELS
from ..hand_crop import scale_affine, warp_images
from ..masks import IGNORED, MASK_NAMES, mirror_masks

_PUBLISHED_BRANCH = (3, 4, 1, 2)  # the published parameter names count the left hand's branches first
_MIT_SIZES = {  # embed_dims, blocks per stage (SegFormer, table 6)
    "b0": (32, (2, 2, 2, 2)),
    "b1": (64, (2, 2, 2, 2)),
    "b2": (64, (3, 4, 6, 3)),
    "b3": (64, (3, 4, 18, 3)),
    "b4": (64, (3, 8, 27, 3)),
    "b5": (64, (3, 6, 40, 3)),
}


def amodal_mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the cross entropy of each mask over its two classes.

    Args:
        logits: (B, 4, 2, h, w), background and hand. They are upsampled bilinearly to the masks' size.
        masks: (B, 4, H, W) integers: 0 background, 1 hand, 255 ignored.

    Returns:
        (4,) float32, each the mean over all pixels. Ignored pixels count as 0.
    """
    difference = _resize(_hand_logits(logits.float()), masks.shape[-2:])
    known = (masks != IGNORED).float()
    entropy = F.binary_cross_entropy_with_logits(difference, (masks == 1).float(), known, reduction="none")
    return entropy.mean(dim=(0, 2, 3))


def _hand_logits(logits: Tensor) -> Tensor:
    """Reduce two-class logits (B, 4, 2, h, w) to one (B, 4, h, w): softmax over two equals sigmoid of their difference.

    Upsampling is linear, so taking the difference first halves its cost.
    """
    return logits[:, :, 1] - logits[:, :, 0]


def _resize(maps: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


@MODELS.register_module()
class MixVisionTransformer(PyramidVisionTransformerV2):
    """SegFormer's MiT encoder: mmpose's PVT v2 with a hidden ratio of 4 in every stage.

    The parameter names are those of mmseg, so `init_cfg=dict(type="Pretrained", checkpoint="mit_b5.pth")` reads its
    files.

    Args:
        size: "b0" to "b5".
        **kwargs: Arguments of `mmpose.PyramidVisionTransformer`.
    """

    def __init__(self, size: str = "b5", **kwargs: Any) -> None:
        if size not in _MIT_SIZES:
            raise ConfigError("MixVisionTransformer.size is unknown", got=size, want=f"one of {', '.join(_MIT_SIZES)}")
        embed_dims, num_layers = _MIT_SIZES[size]
        kwargs = {"embed_dims": embed_dims, "num_layers": num_layers, **kwargs}
        super().__init__(mlp_ratios=[4] * 4, convert_weights=False, **kwargs)
        self.out_channels = [self.embed_dims * heads for heads in self.num_heads]


@MODELS.register_module()
class AmodalMaskHead(BaseModule):
    """SegFormer's all-MLP head, with a separate branch per mask after the fused features.

    Args:
        in_channels: Channels of the backbone's stages.
        channels: Width of the head.
        dropout: Probability of dropping a channel before the last convolution of a branch.
        norm_cfg: Config of the normalization; use `SyncBN` on several GPUs. Default: `BN`.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...] = (64, 128, 320, 512),
        channels: int = 256,
        dropout: float = 0.1,
        norm_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            init_cfg=dict(type="Normal", std=0.01, override=[dict(name=f"conv_seg{i}") for i in _PUBLISHED_BRANCH])
        )
        norm_cfg = norm_cfg or dict(type="BN")
        self.convs = nn.ModuleList(ConvModule(width, channels, 1, norm_cfg=norm_cfg) for width in in_channels)
        for branch in range(1, len(MASK_NAMES) + 1):
            self.add_module(
                f"fusion_conv{branch}", ConvModule(channels * len(in_channels), channels, 1, norm_cfg=norm_cfg)
            )
            self.add_module(f"conv_seg{branch}", nn.Conv2d(channels, 2, 1))
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, feats: list[Tensor]) -> Tensor:
        """Return logits (B, 4, 2, h, w) in the order of `MASK_NAMES`, with the size (h, w) of the first stage."""
        size = feats[0].shape[-2:]
        fused = torch.cat([_resize(conv(feat), size) for conv, feat in zip(self.convs, feats, strict=True)], dim=1)
        branches = []
        for branch in _PUBLISHED_BRANCH:
            feature = getattr(self, f"fusion_conv{branch}")(fused)
            branches.append(getattr(self, f"conv_seg{branch}")(self.dropout(feature)))
        return torch.stack(branches, dim=1)


@MODELS.register_module()
class HandSegmentor(BaseModel):
    """Predict the amodal and visible masks of both hands from one crop.

    Args:
        backbone: Config of the backbone.
        decode_head: Config of the head. Without `in_channels` it takes the backbone's `out_channels` (MiT has them).
        data_preprocessor: Config of the normalization. The network receives RGB.
        flip_test: Average the probabilities with those of the mirrored image.
    """

    starts_from_backbone = True  # training may start from a checkpoint of another network with the same backbone

    def __init__(
        self,
        backbone: dict[str, Any],
        decode_head: dict[str, Any],
        data_preprocessor: dict[str, Any] | None = None,
        flip_test: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        widths = {} if "in_channels" in decode_head else {"in_channels": self.backbone.out_channels}
        self.decode_head = MODELS.build({**widths, **decode_head})
        self.flip_test = flip_test

    def forward(
        self, inputs: Tensor, data_samples: list[BaseDataElement] | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[BaseDataElement]:
        """Run the network.

        Args:
            inputs: (B, 3, H, W) normalized RGB.
            data_samples: Samples that receive the predictions. For "loss" they contain `masks` (4, H, W), 0 or 1, in
                the order of `MASK_NAMES`, and `masks_valid` (4,), 0 where a mask is unknown.
            mode: "tensor" returns logits (B, 4, 2, H/4, W/4); "loss" the losses; "predict" the samples with
                `pred_masks` (4, H, W) uint8, 0 or 1, and `pred_scores` (4, H, W), the probability of each mask.
        """
        if mode == "predict":
            scores = self.probabilities(inputs)
            if self.flip_test:
                scores = (scores + mirror_masks(self.probabilities(inputs.flip(-1)))) / 2
            samples = data_samples or [BaseDataElement() for _ in scores]
            for sample, score in zip(samples, scores, strict=True):
                sample.set_data({"pred_masks": (score > 0.5).to(torch.uint8), "pred_scores": score})
            return samples
        logits = self.decode_head(self.backbone(inputs))
        if mode == "tensor":
            return logits
        assert data_samples is not None
        return self.losses(logits, data_samples)

    def probabilities(self, inputs: Tensor) -> Tensor:
        """Return the probabilities of the four masks (B, 4, H, W), upsampled before the softmax as published."""
        logits = self.decode_head(self.backbone(inputs))
        return _resize(_hand_logits(logits.float()), inputs.shape[-2:]).sigmoid()

    def losses(self, logits: Tensor, data_samples: list[BaseDataElement]) -> dict[str, Tensor]:
        """Return the `amodal_mask_loss` of each mask by name. Unknown masks add nothing; the total is the plain sum."""
        masks, known = (torch.stack([sample.get(key) for sample in data_samples]) for key in ("masks", "masks_valid"))
        labels = masks.long().masked_fill(known[:, :, None, None] == 0, IGNORED)
        return {f"loss_{name}": loss for name, loss in zip(MASK_NAMES, amodal_mask_loss(logits, labels), strict=True)}


def segment(segmentor: Any, images: Tensor, size: int | None = None) -> Tensor:
    """Return the probabilities of the four masks at the images' own size.

    Args:
        segmentor: A `HandSegmentor`.
        images: (B, 3, S, S) BGR, 0 to 255.
        size: Side in px of the images that the segmentor receives, as it was trained; None for S.

    Returns:
        (B, 4, S, S) float32, in the order of `MASK_NAMES`.
    """
    side = images.shape[-1]
    size = size or side
    small = images if size == side else warp_images(images, scale_affine(size / side), size, "border")
    found = segmentor.forward(normalize(small, segmentor.data_preprocessor), mode="predict")
    scores = torch.stack([sample.pred_scores for sample in found]).float()
    return scores if size == side else warp_images(scores, scale_affine(side / size), side, "border")
