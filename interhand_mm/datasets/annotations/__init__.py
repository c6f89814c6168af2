"""Memory-mapped annotation index, and the annotation-related files that data sets read."""
