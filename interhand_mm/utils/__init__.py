"""Leaf helpers that need nothing but errors and structures."""
