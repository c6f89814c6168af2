"""What `tools/benchmark.py` measures: this project beside its peers."""
