"""The table of a sample's fields: complete, in agreement with what data sets and transforms write, and enforced."""

from __future__ import annotations

import ast
import copy
import pickle

import cv2
import numpy as np
import pytest

from interhand_mm.datasets.interhand import InterHandDataset
from interhand_mm.errors import DataContractError
from interhand_mm.structures.camera import apply_affine
from interhand_mm.structures.sample import DEFAULTS, FIELDS, STAGES, check_sample, is_flipped, with_roles
from interhand_mm.structures.warp import Warp
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set

CODEC = dict(type="InterHand3DCodec", input_size=(64, 64), heatmap_size=(16, 16, 16), sigma=1.0)
STEPS = [
    dict(type="LoadHandImage"),
    dict(type="HandCropAugment", encoder=CODEC, flip_prob=1.0),
    dict(type="EncodeHand", encoder=CODEC),
]


@pytest.fixture
def sample(tmp_path):
    return InterHandDataset(data_root=str(write_set(tmp_path / "tiny", num=6)), pipeline=STEPS)[4]


def _written(file):
    """Names of the fields that a transform or data set assigns."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Constant):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if owner in ("results", "sample"):
                yield node.slice.value
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("results.update", "sample.update"):
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def test_every_field_that_is_written_has_a_row():
    files = [*(ROOT / "interhand_mm/datasets").glob("*.py"), *(ROOT / "interhand_mm/datasets/transforms").glob("*.py")]
    written = {name for file in files for name in _written(file)}
    assert {"img", "warp", "skipped", "background_alpha", "rng"} <= written
    assert written <= set(FIELDS), f"add a row to HandSample: {sorted(written - set(FIELDS))}"


def test_a_sample_holds_rows_of_the_table_only(sample):
    assert set(sample) <= set(FIELDS)
    required = {name for name, field in FIELDS.items() if field.required}
    assert required <= set(sample)
    assert set(DEFAULTS) <= set(sample)


def test_arrays_have_a_shape_a_type_and_a_unit():
    for name, field in FIELDS.items():
        assert field.meaning, name
        assert field.stage in STAGES, name
        if field.shape is not None:
            assert field.unit, name
            np.dtype(field.dtype)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("abs_depth", np.zeros(1, np.float32), "wrong shape"),
        ("focal", np.ones(2, np.float64), "wrong shape or type"),
        ("bins", np.full((42, 3), np.nan, np.float32), "not finite"),
        ("depth_valid", np.float32(0.5), "neither 0 nor 1"),
        ("img", np.zeros((64, 64, 3), np.float32), "wrong shape or type"),
    ],
)
def test_a_wrong_value_is_named(sample, name, value, message):
    check_sample(sample, "targets", "x")
    with pytest.raises(DataContractError, match=f"'{name}' (has the |is )?{message}"):
        check_sample({**sample, name: value}, "targets", "x")


def test_a_missing_field_is_named_from_its_stage_on(sample):
    del sample["root_bin"]
    check_sample(sample, "crop", "x")
    with pytest.raises(DataContractError, match="'root_bin' is missing"):
        check_sample(sample, "targets", "x")


def test_metrics_read_what_the_packer_stores():
    packed = set(with_roles("truth")) | set(with_roles("metainfo"))
    assert set(with_roles("metric")) <= packed
    assert set(with_roles("label")) == {
        "bins",
        "bin_weights",
        "root_bin",
        "root_weight",
        "hand_type",
        "hand_type_valid",
    }


def test_the_crop_takes_the_flip_over(sample):
    assert "flipped" not in sample
    assert is_flipped(sample)
    assert sample["warp"].flipped


# --- Warp ---


def _warp(**options):
    return Warp.from_box(np.array([10.0, 20, 50, 60]), (80, 80), (100, 70), scale=1.2, rotation_deg=30, **options)


def test_points_come_back():
    points = np.array([[3.0, 4.0], [60.0, 20.0]])
    assert np.allclose(_warp().to_full(_warp().to_crop(points)), points)
    assert np.allclose(_warp().to_crop([[30.0, 40.0]]), [[40.0, 40.0]])
    assert _warp().zoom == pytest.approx(2 / 1.2)
    assert abs(_warp().rotation_deg) == pytest.approx(30)


def test_a_flipped_crop_is_the_crop_of_the_mirrored_image():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (70, 100, 3), np.uint8), (9, 9), 0)
    flipped = _warp(flipped=True)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    assert np.abs(flipped.crop_read(image).astype(int) - _warp().crop_read(mirrored)).max() <= 3
    corner = np.array([[7.0, 9.0]])  # of the stored image; in the mirrored one it is at 100 - 1 - 7
    assert np.allclose(apply_affine(corner, flipped.stored_to_crop), flipped.to_crop([[92.0, 9.0]]))


def test_a_reduced_image_gives_the_same_crop():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (72, 100), np.uint8), (0, 0), 6)
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    warp = _warp(read_to_stored=np.array([[2.0, 0, 0.5], [0, 2, 0.5]]))
    inside = cv2.erode(warp.crop_stored(np.full_like(image, 255)), np.ones((9, 9))) == 255
    assert np.abs(warp.crop_read(half).astype(int) - warp.crop_stored(image))[inside].max() <= 3
    assert np.allclose(warp.to_read(warp.to_crop([[20.5, 30.5]])), [[10.0, 15.0]])


def test_a_warp_is_copied_and_pickled():
    warp = _warp(flipped=True)
    assert copy.deepcopy(warp) is warp
    assert np.array_equal(pickle.loads(pickle.dumps(warp)).full_to_crop, warp.full_to_crop)
