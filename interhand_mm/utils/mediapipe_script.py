"""Run MediaPipe Hands on images, in a Python that has it: ``python mediapipe_script.py < paths > results``.

MediaPipe 0.10.21 wants other versions of numpy and protobuf than this project, so it runs in an environment of its own
(`pip install mediapipe==0.10.21 opencv-python-headless`). This file imports nothing of this project.
"""

from __future__ import annotations

import json
import sys
import time


def write_hands() -> None:
    """Read one path per line; write one JSON record per line.

    It has "hands", each with "keypoints" (21 x 2 px), "joints_mm" (21 x 3, origin in the hand), "side" and "score",
    and "milliseconds", the time without reading the image.
    """
    import cv2
    import mediapipe  # type: ignore[import-not-found]  # not installed beside this project

    hands = mediapipe.solutions.hands.Hands(static_image_mode=True, max_num_hands=4, min_detection_confidence=0.5)
    for line in sys.stdin:
        image = cv2.imread(line.rstrip("\n"))
        assert image is not None, line
        height, width = image.shape[:2]
        start = time.perf_counter()
        result = hands.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        spent = 1000 * (time.perf_counter() - start)
        lists = (result.multi_hand_landmarks, result.multi_hand_world_landmarks, result.multi_handedness)
        found = [
            {
                "keypoints": [[point.x * width, point.y * height] for point in pixels.landmark],
                "joints_mm": [[1000 * value for value in (point.x, point.y, point.z)] for point in world.landmark],
                # MediaPipe names sides as a selfie camera would show them.
                "side": {"Left": "right", "Right": "left"}[handedness.classification[0].label],
                "score": handedness.classification[0].score,
            }
            for pixels, world, handedness in zip(*(each or [] for each in lists), strict=True)
        ]
        print(json.dumps({"hands": found, "milliseconds": spent}), flush=True)


if __name__ == "__main__":
    write_hands()
