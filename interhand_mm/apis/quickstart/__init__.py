"""From nothing to a trained, tested and pictured model on a CPU in minutes; `tools/quickstart.py` runs it."""
