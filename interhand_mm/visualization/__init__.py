"""Drawings of hands, and the interactive page."""
