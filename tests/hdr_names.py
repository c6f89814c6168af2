"""Names and shapes of HDR's four published files (hdr.md 7), written out from the rules there."""

from __future__ import annotations

import torch

Shapes = dict[str, tuple[int, ...]]


def _affine(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _batch_norm(name: str, width: int) -> Shapes:
    entries = {f"{name}.{key}": (width,) for key in ("weight", "bias", "running_mean", "running_var")}
    return {**entries, f"{name}.num_batches_tracked": ()}


def segmentor() -> Shapes:
    shapes: Shapes = {}
    before = 3
    for i, (width, blocks, reduction) in enumerate(zip((64, 128, 320, 512), (3, 6, 40, 3), (8, 4, 2, 1), strict=True)):
        stage, kernel = f"backbone.layers.{i}", 3 if i else 7
        shapes |= _affine(f"{stage}.0.projection", width, before, kernel, kernel) | _affine(f"{stage}.0.norm", width)
        for j in range(blocks):
            block = f"{stage}.1.{j}"
            shapes |= _affine(f"{block}.norm1", width) | _affine(f"{block}.norm2", width)
            shapes |= {
                f"{block}.attn.attn.in_proj_{k}": (3 * width, width)[: 2 - (k == "bias")] for k in ("weight", "bias")
            }
            shapes |= _affine(f"{block}.attn.attn.out_proj", width, width)
            if reduction > 1:
                shapes |= _affine(f"{block}.attn.sr", width, width, reduction, reduction)
                shapes |= _affine(f"{block}.attn.norm", width)
            shapes |= _affine(f"{block}.ffn.layers.0", 4 * width, width, 1, 1)
            shapes |= _affine(f"{block}.ffn.layers.1", 4 * width, 1, 3, 3)
            shapes |= _affine(f"{block}.ffn.layers.4", width, 4 * width, 1, 1)
        shapes |= _affine(f"{stage}.2", width)
        shapes |= {f"decode_head.convs.{i}.conv.weight": (256, width, 1, 1)} | _batch_norm(
            f"decode_head.convs.{i}.bn", 256
        )
        before = width
    for i in range(1, 5):
        shapes[f"decode_head.fusion_conv{i}.conv.weight"] = (256, 1024, 1, 1)
        shapes |= _batch_norm(f"decode_head.fusion_conv{i}.bn", 256) | _affine(f"decode_head.conv_seg{i}", 2, 256, 1, 1)
    return shapes


def generator() -> Shapes:
    convs = {
        "enc_1": (64, 8, 7, 7), "enc_2": (128, 64, 5, 5), "enc_3": (256, 128, 5, 5), "enc_4": (512, 256, 3, 3),
        **{f"enc_{i}": (512, 512, 3, 3) for i in range(5, 9)}, **{f"dec_{i}": (512, 1024, 3, 3) for i in range(5, 9)},
        "dec_4": (256, 768, 3, 3), "dec_3": (128, 384, 3, 3), "dec_2": (64, 192, 3, 3), "dec_1": (3, 72, 3, 3),
    }  # fmt: skip
    shapes: Shapes = {"dec_1.conv.input_conv.bias": (3,)}
    for name, shape in convs.items():
        shapes |= {f"{name}.conv.input_conv.weight": shape, f"{name}.conv.mask_conv.weight": shape}
        shapes |= {} if name in ("enc_1", "dec_1") else _batch_norm(f"{name}.bn", shape[0])
    for name, dim, hidden in (("enc_3", 256, 2048), ("enc_5", 512, 2048), ("dec_5", 512, 2048), ("dec_3", 128, 1024)):
        block = f"{name}_transformer.block1.0"
        shapes |= (
            _affine(f"{block}.norm1", dim) | _affine(f"{block}.norm2", dim) | _affine(f"{name}_transformer.norm1", dim)
        )
        shapes |= _affine(f"{block}.attn.q", dim, dim) | _affine(f"{block}.attn.kv", 2 * dim, dim)
        shapes |= _affine(f"{block}.attn.proj", dim, dim)
        if name.endswith("3"):
            shapes |= _affine(f"{block}.attn.sr", dim, dim, 4, 4) | _affine(f"{block}.attn.norm", dim)
        shapes |= _affine(f"{block}.mlp.fc1", hidden, dim) | _affine(f"{block}.mlp.dwconv.dwconv", hidden, 1, 3, 3)
        shapes |= _affine(f"{block}.mlp.fc2", dim, hidden)
    return shapes


def discriminator() -> Shapes:
    shapes: Shapes = {}
    for i, (before, after) in enumerate(((5, 64), (64, 128), (128, 256), (256, 512), (512, 1)), start=1):
        for name in (f"conv{i}.0", "features.0")[: 2 if i == 1 else 1]:
            shapes |= {f"{name}.weight_orig": (after, before, 4, 4), f"{name}.weight_u": (after,)}
            shapes |= {f"{name}.weight_v": (before * 16,)}
    return shapes


def pose() -> Shapes:
    shapes: Shapes = {"resnet.conv1.weight": (64, 3, 7, 7), **_batch_norm("resnet.bn1", 64)}
    before = 64
    for group, width, blocks in (("block1", 64, 2), ("pool", 64, 1), ("block2", 128, 4), ("block3", 256, 6)):
        for j in range(blocks):
            name = f"resnet.{group}.{j}"
            convs = ((width, before, 1), (width, width, 3), (4 * width, width, 1))
            for i, (out, into, kernel) in enumerate(convs, start=1):
                shapes |= {f"{name}.conv{i}.weight": (out, into, kernel, kernel)} | _batch_norm(f"{name}.bn{i}", out)
            if j == 0 and group != "pool":
                shapes |= {f"{name}.shortcut.0.weight": (4 * width, before, 1, 1)}
                shapes |= _batch_norm(f"{name}.shortcut.1", 4 * width)
            before = 4 * width
    shapes |= {"resnet.squeeze.0.weight": (256, 1024, 3, 3), **_batch_norm("resnet.squeeze.1", 256)}
    for name, into, out in (("hmap_0", 258, 21), ("dmap_0", 279, 63), ("lmap_0", 342, 63)):
        shapes |= {f"{name}.project.0.weight": (256, into, 3, 3), **_batch_norm(f"{name}.project.1", 256)}
        shapes |= _affine(f"{name}.prediction", out, 256, 1, 1)
    return shapes


ALL = {"segmentor": segmentor, "generator": generator, "discriminator": discriminator, "pose": pose}


def fill(module: torch.nn.Module) -> int:
    """Write the fixtures' formula (hdr.md 7.1) into every parameter and buffer; returns how many."""
    state = module.state_dict()
    names = sorted(name for name in state if "num_batches_tracked" not in name)
    for i, name in enumerate(names):
        tensor = state[name]
        t = torch.arange(tensor.numel(), dtype=torch.float64)
        fan = tensor.numel() / len(tensor)
        if name.endswith("running_var"):
            value = 1 + 0.1 * torch.sin(t + i) ** 2
        elif name.endswith(("running_mean", "bias")):
            value = 0.01 * torch.sin(0.7 * t + i)
        elif tensor.ndim == 1:
            value = 1 + 0.1 * torch.sin(0.3 * t + i)
        else:
            value = (2 * fan if "input_conv" in name else 2 / fan) ** 0.5 * torch.sin(0.9 * t + i)
        tensor.copy_(value.view_as(tensor))
    return len(names)


def fixture_image() -> torch.Tensor:
    """(1, 3, 256, 256) float64: sin(0.05 x + 0.03 y + c)."""
    c, y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (3, 256, 256)), indexing="ij")
    return torch.sin(0.05 * x + 0.03 * y + c)[None]


def summary(tensor: torch.Tensor) -> list[float]:
    """Mean, std, min, max and five probes, as the fixtures print them."""
    flat = tensor.detach().double().flatten()
    numbers = [flat.mean(), flat.std(), flat.min(), flat.max()]
    return [float(n) for n in (*numbers, *(flat[int(p * (len(flat) - 1))] for p in (0.1, 0.37, 0.5, 0.73, 0.9)))]
