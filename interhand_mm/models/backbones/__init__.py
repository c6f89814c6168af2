"""Backbones that mmpose does not have."""
