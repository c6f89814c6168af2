"""Evaluation: formulas (`functional`) and mmengine metrics (`metrics`)."""
