"""Sources of frames, and writers of results."""
