"""Measurements, beside other libraries where they have the same part."""
