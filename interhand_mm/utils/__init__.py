"""Helpers that all parts of the package use: configs, files, images, provenance, precision and memory."""
