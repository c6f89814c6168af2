"""The memory-mapped annotation index and the files beside it."""
