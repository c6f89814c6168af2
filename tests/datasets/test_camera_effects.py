from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from interhand_mm.datasets.transforms.camera_effects import (
    CameraEffects,
    add_noise,
    color_matrix,
    mix_amplitude,
    motion_kernel,
    sensor_noise,
    tone_table,
)
from interhand_mm.errors import ConfigError

EFFECTS = (
    "color", "exposure", "low_light", "blur", "motion_blur", "resolution", "noise", "jpeg", "cutout", "spectrum",
)  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    for index in range(3):
        small = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{index}.png"), cv2.resize(small, (160, 120)))
    return str(tmp_path)


@pytest.fixture
def crop() -> np.ndarray:
    small = np.random.default_rng(1).integers(40, 216, (8, 8, 3)).astype(np.uint8)
    return cv2.resize(small, (96, 96), interpolation=cv2.INTER_CUBIC)


def apply(effects: CameraEffects, crop: np.ndarray, seed: int) -> np.ndarray:
    return effects.transform({"img": crop.copy(), "rng": np.random.default_rng(seed)})["img"]


def only(name: str, photos: str) -> CameraEffects:
    return CameraEffects(**{effect: float(effect == name) for effect in EFFECTS}, backgrounds=photos)


@pytest.mark.parametrize("name", EFFECTS)
def test_effect_changes_the_crop_and_depends_on_the_seed_alone(name: str, photos: str, crop: np.ndarray) -> None:
    effects = only(name, photos)
    first, again, other = apply(effects, crop, 1), apply(only(name, photos), crop, 1), apply(effects, crop, 2)
    assert first.dtype == np.uint8
    assert first.shape == crop.shape
    np.testing.assert_array_equal(first, again)
    assert (first != crop).any()
    assert (first != other).any()


def test_effects_are_drawn_independently(photos: str, crop: np.ndarray) -> None:
    unchanged = CameraEffects(**dict.fromkeys(EFFECTS, 0.0))
    np.testing.assert_array_equal(apply(unchanged, crop, 0), crop)
    half = CameraEffects(**{**dict.fromkeys(EFFECTS, 0.0), "blur": 0.5})
    changed = sum((apply(half, crop, seed) != crop).any() for seed in range(200))
    assert 70 < changed < 130


def test_neutral_values_change_nothing() -> None:
    np.testing.assert_array_equal(tone_table(1.0, 1.0), np.arange(256))
    np.testing.assert_allclose(color_matrix(np.ones(3), 1.0), np.eye(3))
    gray = color_matrix(np.ones(3), 0.0) @ [10.0, 200.0, 90.0]
    np.testing.assert_allclose(gray, gray[0])


def test_noise_grows_with_brightness_and_has_no_mean() -> None:
    deviation = []
    for level in (20, 120, 220):
        flat = np.full((256, 256, 3), level, np.uint8)
        change = add_noise(flat, 1.0, 8.0, (0.3, 0.6)).astype(float) - flat
        assert abs(change.mean()) < 0.3
        deviation.append(change.std())
    assert deviation[0] < deviation[1] < deviation[2]


def test_noise_of_neighbors_is_correlated_as_after_demosaicing() -> None:
    noise = sensor_noise().astype(float)
    for channel in range(3):
        right = np.corrcoef(noise[:, :-1, channel].ravel(), noise[:, 1:, channel].ravel())[0, 1]
        assert right > 0.3
    assert 30 < noise.std() < 64


def test_noise_covers_images_larger_than_its_store() -> None:
    flat = np.full((700, 1100, 3), 128, np.uint8)
    assert add_noise(flat, 4.0, 0.0, (0.0, 0.0))[600:, 1000:].std() > 1


@pytest.mark.parametrize(("angle", "axis"), [(0.0, 1), (np.pi / 2, 0)])
def test_motion_kernel_is_a_line_of_its_length(angle: float, axis: int) -> None:
    kernel = motion_kernel(6.0, angle)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
    spread = [np.sqrt((kernel.sum(1 - a) * (np.arange(len(kernel)) - len(kernel) // 2) ** 2).sum()) for a in (0, 1)]
    assert spread[axis] == pytest.approx(6 / np.sqrt(12), abs=0.5)
    assert spread[1 - axis] < 0.6


def test_spectrum_moves_toward_the_photograph_and_keeps_the_brightness(crop: np.ndarray) -> None:
    fine = np.random.default_rng(2).integers(0, 256, crop.shape).astype(np.uint8)
    np.testing.assert_array_equal(mix_amplitude(crop, fine, 0.0), crop)
    mixed = mix_amplitude(crop, fine, 0.5)
    assert abs(mixed.mean() - crop.mean()) < 3
    laplacians = [cv2.Laplacian(img, cv2.CV_32F).std() for img in (crop, mixed, fine)]
    assert laplacians[0] < laplacians[1] < laplacians[2]


def test_wrong_options_are_refused(photos: str) -> None:
    with pytest.raises(ConfigError, match="jpeg is not a probability"):
        CameraEffects(jpeg=1.5)
    with pytest.raises(ConfigError, match="needs photographs"):
        CameraEffects(spectrum=0.2)
