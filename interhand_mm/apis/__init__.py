"""What the tools call: train, test, evaluate, inspect."""
