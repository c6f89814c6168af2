from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import interhand_mm
from interhand_mm.synthesis.render.appearance import photo_crop
from interhand_mm.utils.images import resize_image, write_image

PACKAGE = Path(interhand_mm.__file__).parent


def test_enlarging_repeats_no_pixels() -> None:
    ramp = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[None], 20, axis=0)
    large = resize_image(ramp, (60, 60)).astype(int)
    assert large.shape == (60, 60)
    assert (np.diff(large[30, 6:-6]) > 0).all()


def test_shrinking_averages() -> None:
    stripes = np.tile(np.array([[0, 200]], np.uint8), (8, 20))
    np.testing.assert_array_equal(resize_image(stripes, (20, 8)), 100)


def test_each_side_is_resized_in_its_own_way() -> None:
    stripes = np.tile(np.array([[0, 200]], np.uint8), (8, 20))
    np.testing.assert_array_equal(resize_image(stripes, (20, 16)), 100)


@pytest.mark.parametrize("side", [64, 640])
def test_backgrounds_have_no_blocks(tmp_path: Path, side: int) -> None:
    rng = np.random.default_rng(0)
    photo = np.clip(np.cumsum(rng.normal(0, 9, (256, 256, 3)), axis=1) + 128, 0, 255).astype(np.uint8)
    write_image(tmp_path / "photo.png", photo)
    crop = photo_crop(str(tmp_path / "photo.png"), (side, side), np.random.default_rng(1)).astype(int)
    equal = (np.diff(crop, axis=1) == 0).all(axis=-1).mean()
    assert crop.shape == (side, side, 3)
    assert equal < 0.25


def test_only_one_function_resizes_images() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text().splitlines()
        if "cv2.resize(" in line and "INTER_NEAREST" not in line and path.name != "images.py"
    ]
    # Noise of a test pattern that is always enlarged.
    assert [line for line in wrong if not line.startswith("apis/export.py")] == []
