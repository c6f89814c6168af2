"""Measurements of this project, next to other libraries that have the same part."""
