"""HDRM: paint the hidden part of a hand and remove the other one, trained against a discriminator."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel, ImgDataPreprocessor, is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.structures import BaseDataElement
from torch import Tensor

from ...errors import ConfigError, DataContractError
from ...models.preprocessing import denormalize
from ...registry import MODELS
from ..inpaint_fill import hole_masks, mean_colors
from ..masks import DILATION_PX, composite, dilate
from .inpaint_losses import VGGFeatures, adversarial_loss, perceptual_loss, pixel_losses, style_loss, total_variation

# The published settings; a weight of both holes where these are split in two.
LOSS_WEIGHTS = {
    "valid": 1.0,
    "hole_deocclusion": 6.0,
    "hole_removal": 6.0,
    "tv": 0.1,
    "perceptual_deocclusion": 0.1,
    "perceptual_removal": 0.1,
    "style_deocclusion": 250.0,
    "style_removal": 250.0,
    "adversarial": 0.1,
}


def _unwrap_names(model: torch.nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    """Name what lies in a data-parallel wrapper of its own as if it did not: one process reads what several wrote.

    mmengine does so only for a wrapper round the whole model, and reads either way.
    """
    for name, child in model.named_children():
        wrapped = f"{prefix}{name}.module."
        if is_model_wrapper(child):
            for key in [key for key in state if key.startswith(wrapped)]:
                state[f"{prefix}{name}.{key[len(wrapped) :]}"] = state.pop(key)


@MODELS.register_module()
class InpaintPreprocessor(ImgDataPreprocessor):
    """mmengine's normalization, of the image and of the clean one alike, and the masks of `hole_masks`."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Make `HandInpaintor.forward`'s arguments of what the loader gives.

        Args:
            data: `inputs` (3, H, W) a sample, and `data_samples` with `masks` (4, H, W) and `masks_valid` (4,) in
                the order of `MASK_NAMES`, or a segmentor's `pred_masks` in place of `masks`, `target` 0, and where
                training `clean` (2, 3, H, W) (right, left hand alone) and `clean_valid` (2,).
            training: As the parent's.

        Raises:
            DataContractError: A target that does not play the right hand.
        """
        data = super().forward(data, training)
        samples = data["data_samples"]
        if any(sample.get("target", 0) != 0 for sample in samples):
            raise DataContractError("InpaintPreprocessor: target", got="a left hand", fix="MirrorHands() before it")
        predicted = "pred_masks" in samples[0]
        masks = torch.stack([sample.get("pred_masks" if predicted else "masks") for sample in samples])
        known = torch.stack([sample.masks_valid for sample in samples])
        data.update(hole_masks(masks, torch.ones_like(known) if predicted else known))
        if "clean" in samples[0]:
            data["gt_valid"] = torch.stack([sample.clean_valid[0] for sample in samples])
            data["gt"] = super().forward({"inputs": [sample.clean[0] for sample in samples]}, training)["inputs"]
        return data

    def denormalize(self, images: Tensor) -> Tensor:
        """Back to the loader's 0 to 255 and channel order: (B, 3, H, W) float, clipped, not rounded."""
        return denormalize(images, self).clip(0, 255)


@MODELS.register_module()
class HandInpaintor(BaseModel):
    """De-occlusion and removal: the target hand, made a right one, alone and whole in its crop.

    Masks are (B, 1, H, W) floats, 1 or 0. `target_valid`: not a hidden part of the target hand; `other_valid`: not
    the other hand; `target_modal`: the target hand where seen; `background_modal`: neither hand.

    Args:
        generator: Config of `PartialConvUNet`.
        discriminator: Config of `PatchDiscriminator`; None trains without it, or for use alone.
        vgg16: Local file of ImageNet VGG-16 weights for the perceptual and style losses; None leaves them off.
        loss_weights: Replaces entries of `LOSS_WEIGHTS`.
        residual: The generator paints what is to be added to `mean_colors`, so that a small one trained for minutes
            is not worse than these; False, as published, paints all.
        dilation: Of the region that is edited at prediction, px, odd; see `hdr.masks.dilate`. 1 is none.
        data_preprocessor: `InpaintPreprocessor` with ImageNet's mean and std.
    """

    def __init__(
        self,
        generator: dict[str, Any],
        discriminator: dict[str, Any] | None = None,
        vgg16: str | None = None,
        loss_weights: dict[str, float] | None = None,
        residual: bool = False,
        dilation: int = DILATION_PX,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        unknown = set(loss_weights or {}) - set(LOSS_WEIGHTS)
        if unknown:
            raise ConfigError("HandInpaintor.loss_weights", got=sorted(unknown), want=f"of {sorted(LOSS_WEIGHTS)}")
        if dilation < 1 or dilation % 2 == 0:
            raise ConfigError("HandInpaintor.dilation", got=dilation, want="an odd number of pixels")
        self.loss_weights = {**LOSS_WEIGHTS, **(loss_weights or {})}
        self.residual = residual
        self.dilation = dilation
        self.generator = MODELS.build(generator)
        self.discriminator: Any = MODELS.build(discriminator) if discriminator else None
        self.vgg16 = vgg16
        # In a tuple: frozen features are no part of the model's state, checkpoints or averages.
        self._vgg: tuple[VGGFeatures, ...] = (VGGFeatures(vgg16),) if vgg16 else ()
        self.register_state_dict_post_hook(_unwrap_names)

    def paint(
        self, inputs: Tensor, target_valid: Tensor, other_valid: Tensor, target_modal: Tensor, background_modal: Tensor
    ) -> Tensor:
        """Run the generator on the erased image twice over; returns (B, 3, H, W)."""
        parts = [
            torch.cat([inputs * target_valid, target_modal], dim=1),
            torch.cat([inputs * other_valid, background_modal], dim=1),
        ]
        out = self.generator(parts, [target_valid, other_valid])
        if self.residual:
            out = out + mean_colors(inputs, target_valid, other_valid, target_modal, background_modal)
        return out

    def forward(
        self,
        inputs: Tensor,
        target_valid: Tensor,
        other_valid: Tensor,
        target_modal: Tensor,
        background_modal: Tensor,
        gt: Tensor | None = None,
        gt_valid: Tensor | None = None,
        data_samples: list[BaseDataElement] | None = None,
        mode: str = "tensor",
    ) -> Tensor | dict[str, Tensor] | list[BaseDataElement]:
        """Paint.

        Args:
            inputs: (B, 3, H, W) normalized RGB.
            target_valid: See the class, as the next three.
            other_valid: See the class.
            target_modal: See the class.
            background_modal: See the class.
            gt: (B, 3, H, W) normalized image of the target hand alone; only for "loss".
            gt_valid: (B,) 0 where `gt` is not known: such a sample adds nothing to any loss.
            data_samples: Predictions are added to them.
            mode: "tensor" gives the generator's image; "loss" its losses; "predict" the samples with `pred_clean`
                (3, H, W), what was painted, 0 to 255 in the loader's channel order; `pred_edited` (H, W), 1 where it
                replaces the picture; and `restored` (3, H, W), the composite, normalized as the pose network wants
                it.
        """
        masks = (target_valid, other_valid, target_modal, background_modal)
        out = self.paint(inputs, *masks)
        if mode == "tensor":
            return out
        if mode == "loss":
            assert gt is not None
            return self.generator_losses(out, inputs, gt, *masks, gt_valid=gt_valid)
        edited = dilate((1 - target_valid * other_valid)[:, 0], self.dilation)
        predicted = {
            "restored": composite(inputs, out, edited),
            "pred_clean": self.data_preprocessor.denormalize(out),
            "pred_edited": edited,
        }
        samples = data_samples or [BaseDataElement() for _ in out]
        for i, sample in enumerate(samples):
            sample.set_data({name: values[i] for name, values in predicted.items()})
        return samples

    def generator_losses(
        self,
        out: Tensor,
        inputs: Tensor,
        gt: Tensor,
        target_valid: Tensor,
        other_valid: Tensor,
        target_modal: Tensor,
        background_modal: Tensor,
        gt_valid: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """All of the generator's losses by name, weighted; means over the samples of which `gt` is known."""
        known = gt.new_ones(len(gt)) if gt_valid is None else gt_valid.to(gt.dtype)
        weight = known[:, None, None, None]
        # Black before black: what is not known differs from nothing.
        out, inputs, gt = out.to(gt.dtype) * weight, inputs * weight, gt * weight
        losses = pixel_losses(out, gt, target_valid, other_valid)
        losses["tv"] = total_variation(composite(inputs, out, (1 - target_valid * other_valid)[:, 0]))
        for vgg in self._vgg:
            vgg.to(out.device)
            for name, hole in (("deocclusion", 1 - target_valid), ("removal", 1 - other_valid)):
                features, targets = vgg(hole * out), vgg(hole * gt)
                losses[f"perceptual_{name}"] = perceptual_loss(features, targets)
                losses[f"style_{name}"] = style_loss(features, targets)
        if self.discriminator is not None:
            logits = self._judge(out, target_modal, background_modal)
            losses["adversarial"] = adversarial_loss(logits, real=True, weight=weight)
        share = len(known) / known.sum().clamp(min=1)
        return {f"loss_{name}": share * self.loss_weights[name] * loss for name, loss in losses.items()}

    def _judge(self, out: Tensor, target_modal: Tensor, background_modal: Tensor) -> Tensor:
        """The discriminator's view of the painted image, with a gradient to the image alone.

        Its DDP wrapper, where there is one, is passed by: it would wait for gradients that never come.
        """
        judge = self.discriminator.module if is_model_wrapper(self.discriminator) else self.discriminator
        judge.requires_grad_(False)
        try:
            return judge(out, target_modal, background_modal)
        finally:
            judge.requires_grad_(True)

    def discriminator_loss(
        self, out: Tensor, gt: Tensor, target_modal: Tensor, background_modal: Tensor, gt_valid: Tensor
    ) -> Tensor:
        """Half the sum of the losses of a clean and of a painted batch; means as in `generator_losses`."""
        images = torch.cat([gt, out.detach().to(gt.dtype)])
        masks = [torch.cat([mask, mask]) for mask in (target_modal, background_modal)]
        real, painted = self.discriminator(images, *masks).chunk(2)
        weight = gt_valid[:, None, None, None] * len(gt_valid) / gt_valid.sum().clamp(min=1)
        return (adversarial_loss(real, True, weight) + adversarial_loss(painted, False, weight)) / 2

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """Step the generator, then the discriminator on the same painted batch.

        Args:
            data: `forward`'s arguments, from the loader.
            optim_wrapper: With the entries "generator" and, where there is one, "discriminator".

        Returns:
            Losses for the log.

        Raises:
            ConfigError: Another optimizer wrapper.
        """
        wanted = {"generator"} | ({"discriminator"} if self.discriminator is not None else set())
        if not isinstance(optim_wrapper, OptimWrapperDict) or set(optim_wrapper.keys()) != wanted:
            raise ConfigError(
                "HandInpaintor's optimizers",
                got=sorted(optim_wrapper.keys()) if isinstance(optim_wrapper, OptimWrapperDict) else "one for all",
                want=f"one each for {sorted(wanted)}",
                fix="optim_wrapper=dict(constructor='SubmoduleOptimWrapperConstructor', generator=dict(...), ...)",
            )
        data = self.data_preprocessor(data, True)
        data.pop("data_samples", None)
        gt, gt_valid = data.pop("gt"), data.pop("gt_valid")
        with optim_wrapper["generator"].optim_context(self.generator):
            out = self.paint(**data)
            losses = self.generator_losses(out, gt=gt, gt_valid=gt_valid, **data)
        total, log = self.parse_losses(losses)
        optim_wrapper["generator"].update_params(total)
        if self.discriminator is not None:
            with optim_wrapper["discriminator"].optim_context(self.discriminator):
                modal = data["target_modal"], data["background_modal"]
                loss = self.discriminator_loss(out, gt, *modal, gt_valid)
            optim_wrapper["discriminator"].update_params(loss)
            log["loss_discriminator"] = loss.detach()
        return log

    def init_weights(self) -> None:
        """As the parent's; says once, in the training log, which losses are off."""
        super().init_weights()
        if self.vgg16 is None:
            print_log(
                "HandInpaintor: the perceptual and style losses are OFF, for no `vgg16` file is given "
                "(--cfg-options model.vgg16=vgg16.pth: torchvision's ImageNet weights)",
                logger="current",
                level=30,
            )
