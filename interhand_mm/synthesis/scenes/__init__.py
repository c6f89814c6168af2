"""Scenes: many rendered hands on photographs, to train and test detectors."""
