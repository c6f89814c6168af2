"""Inference: detect, group, lift and track the hands in images, videos and camera streams."""
