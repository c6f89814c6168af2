"""Formulas of the evaluation, on NumPy arrays."""
