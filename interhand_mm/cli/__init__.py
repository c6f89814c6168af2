"""Command-line options, and what they build."""
