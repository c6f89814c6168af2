from __future__ import annotations

import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from interhand_mm.structures import joints as J

# The published tables (OpenPose index -> index in the other set), docs/spec/datasets.md, section 9.
IH_TO_OPENPOSE = [20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16]
RHD_TO_OPENPOSE = [0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17]
STB_TO_OPENPOSE = [0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4]
MANO_TO_OPENPOSE = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]


def test_names_and_parents_follow_the_published_skeleton():
    assert J.JOINT_NAMES[0] == "right_thumb4"
    assert J.JOINT_NAMES[20] == "right_wrist"
    assert J.JOINT_NAMES[21] == "left_thumb4"
    assert J.PARENTS[0] == 1
    assert J.PARENTS[3] == 20
    assert J.PARENTS[19] == 20
    assert J.PARENTS[24] == 41
    assert [j for j in range(42) if J.PARENTS[j] < 0] == [20, 41]


def test_skeleton_file_of_the_data_set(sample_root):
    rows = [
        line.split() for line in (sample_root / "annotations/skeleton.txt").read_text().splitlines() if line[0] != "#"
    ]
    assert [int(row[2]) for row in rows] == list(J.PARENTS)
    short = [name.replace("right_", "r_").replace("left_", "l_") for name in J.JOINT_NAMES]
    assert [row[0] for row in rows] == short


def test_flip_pairs_are_partners():
    assert (J.FLIP_INDICES[J.FLIP_INDICES] == np.arange(42)).all()
    for j, partner in enumerate(J.FLIP_INDICES):
        assert J.JOINT_NAMES[j].split("_")[1] == J.JOINT_NAMES[partner].split("_")[1]
        assert J.JOINT_NAMES[j] != J.JOINT_NAMES[partner]


@pytest.mark.parametrize(
    ("from_them", "them_to_openpose"),
    [(J.FROM_RHD, RHD_TO_OPENPOSE), (J.FROM_STB, STB_TO_OPENPOSE), (J.FROM_MANO, MANO_TO_OPENPOSE)],
)
def test_orders_meet_in_openpose(from_them, them_to_openpose):
    theirs = np.arange(21)
    ours = theirs[from_them]
    assert (ours[IH_TO_OPENPOSE] == theirs[them_to_openpose]).all()


def test_orders_are_inverted():
    for there, back in ((J.FROM_OPENPOSE, J.TO_OPENPOSE), (J.FROM_STB, J.TO_STB), (J.FROM_MANO, J.TO_MANO)):
        assert (np.arange(21)[there][back] == np.arange(21)).all()
    assert list(J.TO_OPENPOSE) == IH_TO_OPENPOSE


def test_metainfo_parses_with_mmpose():
    parsed = parse_pose_metainfo(J.pose_metainfo())
    assert parsed["num_keypoints"] == 42
    assert parsed["flip_indices"] == J.FLIP_INDICES.tolist()
    assert len(parsed["skeleton_links"]) == 40
    assert parsed["keypoint_id2name"][41] == "left_wrist"
