"""The rooms of inference: sources, intrinsics, boxes and tracks, pose, handedness, smoothing, writers."""
