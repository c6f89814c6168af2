"""Evaluation: formulas on arrays (`functional`), mmengine metrics (`metrics`), the report and the predictions file."""
