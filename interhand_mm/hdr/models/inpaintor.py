"""The Inpaintor: paint the hidden part of a hand and remove the other hand, trained against a discriminator."""

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

# The published weights. Where we split a loss by hole, both halves have the published weight.
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
    """Remove the "module." of data-parallel wrappers around submodules from the names of a state dict.

    One process can then read what several have written. mmengine does this only for a wrapper around the whole model.
    """
    for name, child in model.named_children():
        wrapped = f"{prefix}{name}.module."
        if is_model_wrapper(child):
            for key in [key for key in state if key.startswith(wrapped)]:
                state[f"{prefix}{name}.{key[len(wrapped) :]}"] = state.pop(key)


@MODELS.register_module()
class InpaintPreprocessor(ImgDataPreprocessor):
    """Normalize an image and its clean version alike, and compute the masks of `hole_masks`."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Convert a batch of the loader to the arguments of `HandInpaintor.forward`.

        Args:
            data: `inputs`, one (3, H, W) per sample, and `data_samples`. Each sample contains `masks` (4, H, W), or a
                segmentor's `pred_masks` instead, and `masks_valid` (4,), in the order of `MASK_NAMES`; `target`, which
                is 0; and for training `clean` (2, 3, H, W), the right and the left hand alone, and `clean_valid` (2,).
            training: Passed to the parent class.

        Raises:
            DataContractError: A target is not the right hand.
        """
        data = super().forward(data, training)
        samples = data["data_samples"]
        if any(sample.get("target", 0) != 0 for sample in samples):
            raise DataContractError(
                "InpaintPreprocessor: the target of a sample is the left hand",
                fix="put MirrorHands() into its pipeline",
            )
        predicted = "pred_masks" in samples[0]
        masks = torch.stack([sample.get("pred_masks" if predicted else "masks") for sample in samples])
        known = torch.stack([sample.masks_valid for sample in samples])
        data.update(hole_masks(masks, torch.ones_like(known) if predicted else known))
        if "clean" in samples[0]:
            data["gt_valid"] = torch.stack([sample.clean_valid[0] for sample in samples])
            data["gt"] = super().forward({"inputs": [sample.clean[0] for sample in samples]}, training)["inputs"]
        return data

    def denormalize(self, images: Tensor) -> Tensor:
        """Return normalized images (B, 3, H, W) in the loader's channel order, 0 to 255, clipped but not rounded."""
        return denormalize(images, self).clip(0, 255)


@MODELS.register_module()
class HandInpaintor(BaseModel):
    """Paint the target hand whole and alone in its crop. The target is always a right hand.

    Masks are (B, 1, H, W) floats, 0 or 1. `target_valid` is 0 in the hidden part of the target hand, `other_valid` is 0
    on the other hand, `target_modal` is 1 on the visible part of the target hand, and `background_modal` is 1 where
    there is neither hand.

    Args:
        generator: Config of `PartialConvUNet`.
        discriminator: Config of `PatchDiscriminator`. None to train without it, or for prediction only.
        vgg16: Local file with ImageNet weights of VGG-16 for the perceptual and style losses. None turns them off.
        loss_weights: Entries of `LOSS_WEIGHTS` to replace.
        residual: If True, the generator predicts the difference to `mean_colors`, so that a small generator that is
            trained for minutes is not worse than these. If False, as published, it predicts the image.
        dilation: Odd diameter in px by which the edited region grows at prediction; see `hdr.masks.dilate`. 1 is none.
        data_preprocessor: Config of `InpaintPreprocessor` with the mean and std of ImageNet.
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
            raise ConfigError(
                "HandInpaintor.loss_weights has unknown names",
                got=sorted(unknown),
                want=f"names in {sorted(LOSS_WEIGHTS)}",
            )
        if dilation < 1 or dilation % 2 == 0:
            raise ConfigError("HandInpaintor.dilation must be an odd number of pixels", got=dilation)
        self.loss_weights = {**LOSS_WEIGHTS, **(loss_weights or {})}
        self.residual = residual
        self.dilation = dilation
        self.generator = MODELS.build(generator)
        self.discriminator: Any = MODELS.build(discriminator) if discriminator else None
        self.vgg16 = vgg16
        # In a tuple, so that the frozen features stay out of the model's state, checkpoints and averages.
        self._vgg: tuple[VGGFeatures, ...] = (VGGFeatures(vgg16),) if vgg16 else ()
        self.register_state_dict_post_hook(_unwrap_names)

    def paint(
        self, inputs: Tensor, target_valid: Tensor, other_valid: Tensor, target_modal: Tensor, background_modal: Tensor
    ) -> Tensor:
        """Run the generator on the image with each of the two regions erased, and return the image (B, 3, H, W)."""
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
        """Run the network.

        Args:
            inputs: (B, 3, H, W) normalized RGB.
            target_valid: (B, 1, H, W), 0 in the hidden part of the target hand.
            other_valid: (B, 1, H, W), 0 on the other hand.
            target_modal: (B, 1, H, W), 1 on the visible part of the target hand.
            background_modal: (B, 1, H, W), 1 where there is neither hand.
            gt: (B, 3, H, W) normalized image of the target hand alone. Only read for "loss".
            gt_valid: (B,), 0 where `gt` is unknown. Such samples add nothing to any loss.
            data_samples: Samples that receive the predictions.
            mode: "tensor" returns the generator's image; "loss" its losses; "predict" the samples with `pred_clean`
                (3, H, W), the generator's image, 0 to 255 in the loader's channel order; `pred_edited` (H, W), 1 where
                it replaces the input; and `restored` (3, H, W), the composed image, normalized for the pose network.
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
        """Return the generator's weighted losses by name, as means over the samples with a known `gt`."""
        known = gt.new_ones(len(gt)) if gt_valid is None else gt_valid.to(gt.dtype)
        weight = known[:, None, None, None]
        # Zero both output and target where there is no ground truth, so those samples add no loss.
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
        """Return the discriminator's logits for the painted image, with a gradient for the image only.

        The forward pass bypasses a DDP wrapper, which would wait for gradients of the discriminator that never come.
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
        """Return half the sum of the losses of a clean and of a painted batch, as means like in `generator_losses`."""
        images = torch.cat([gt, out.detach().to(gt.dtype)])
        masks = [torch.cat([mask, mask]) for mask in (target_modal, background_modal)]
        real, painted = self.discriminator(images, *masks).chunk(2)
        weight = gt_valid[:, None, None, None] * len(gt_valid) / gt_valid.sum().clamp(min=1)
        return (adversarial_loss(real, True, weight) + adversarial_loss(painted, False, weight)) / 2

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """Step the generator, then the discriminator on the same painted batch.

        Args:
            data: A batch of the loader.
            optim_wrapper: One wrapper named "generator", and one named "discriminator" if the model has one.

        Returns:
            Losses for the log.

        Raises:
            ConfigError: The optimizer wrapper has other entries.
        """
        wanted = {"generator"} | ({"discriminator"} if self.discriminator is not None else set())
        if not isinstance(optim_wrapper, OptimWrapperDict) or set(optim_wrapper.keys()) != wanted:
            raise ConfigError(
                "HandInpaintor needs an optimizer for each of its networks",
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
        """Initialize the weights, and log once which losses are off."""
        super().init_weights()
        if self.vgg16 is None:
            print_log(
                "HandInpaintor: the perceptual and style losses are OFF, because no `vgg16` file is given "
                "(turn them on with torchvision's ImageNet weights: --cfg-options model.vgg16=vgg16.pth)",
                logger="current",
                level=30,
            )
