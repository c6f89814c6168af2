"""Run MediaPipe Hands on images, in a Python that has it: ``python mediapipe_hands.py < paths > results``.

MediaPipe 0.10.21 wants other versions of numpy and protobuf than this project, so it runs in an environment of its own
(`pip install mediapipe==0.10.21 opencv-python-headless`). This file imports nothing of this project.
"""

from __future__ import annotations

import json
import sys


def find_hands() -> None:
    """Read one path per line; write one JSON list of hands per line: "keypoints" (21 x 2 px), "side" and "score"."""
    import cv2
    import mediapipe  # type: ignore[import-not-found]  # not installed beside this project

    hands = mediapipe.solutions.hands.Hands(static_image_mode=True, max_num_hands=4, min_detection_confidence=0.5)
    for line in sys.stdin:
        image = cv2.imread(line.rstrip("\n"))
        assert image is not None, line
        height, width = image.shape[:2]
        result = hands.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        found = [
            {
                "keypoints": [[point.x * width, point.y * height] for point in landmarks.landmark],
                # MediaPipe names sides as a selfie camera would show them.
                "side": {"Left": "right", "Right": "left"}[handedness.classification[0].label],
                "score": handedness.classification[0].score,
            }
            for landmarks, handedness in zip(
                result.multi_hand_landmarks or [], result.multi_handedness or [], strict=True
            )
        ]
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    find_hands()
