"""Formulas of the evaluation: arrays in, floats out."""
