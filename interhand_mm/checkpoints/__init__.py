"""Read, check and convert checkpoints."""
