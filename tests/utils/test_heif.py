from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from interhand_mm.errors import ImageError
from interhand_mm.utils.heif import heif_format
from interhand_mm.utils.images import find_images, read_image, read_mask


def test_training_images_may_be_heic_and_avif(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    image = np.full((64, 96, 3), 255, np.uint8)
    image[:, 48:] = 0
    pillow_heif.from_pillow(Image.fromarray(image)).save(tmp_path / "a.heic", quality=95)
    Image.fromarray(image).save(tmp_path / "b.avif", quality=95)
    assert find_images(tmp_path) == [str(tmp_path / "a.heic"), str(tmp_path / "b.avif")]
    for name in ("a.heic", "b.avif"):
        read = read_image(tmp_path / name)
        assert read.shape == image.shape
        assert np.abs(read.astype(int) - image).mean() < 3
        assert read_image(tmp_path / name, cv2.IMREAD_GRAYSCALE).shape == image.shape[:2]
        assert read_mask(tmp_path / name)[:, :40].all()


def test_broken_files_are_image_errors(tmp_path):
    for brand in (b"heic", b"avif"):
        (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(50))
        with pytest.raises(ImageError, match=r"not an? (HEIC|AVIF) image"):
            read_image(tmp_path / "a.jpg")


def test_brands():
    def start(main, *others):
        brands = main + bytes(4) + b"".join(others)
        return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + b"mdat"

    for main in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        assert heif_format(start(main, b"mif1", b"heic")) == "HEIC"
    assert heif_format(start(b"mif1", b"mif1", b"avif")) == heif_format(start(b"avif")) == "AVIF"
    assert heif_format(start(b"qt  ", b"heic")) is heif_format(b"") is None


def test_pages_of_a_tiff_are_not_dropped_in_training(tmp_path):
    pages = [Image.fromarray(np.full((20, 30, 3), 40 * i, np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match="several images"):
        read_image(tmp_path / "a.tiff")
