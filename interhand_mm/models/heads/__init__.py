"""Heads that predict 42 joints."""
